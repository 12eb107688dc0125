"""Tables, figures and the report of an evaluation."""
