"""Studies that go past the paper: each a command in experiments/."""
