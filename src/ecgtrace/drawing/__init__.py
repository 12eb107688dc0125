"""Pages drawn from records: geometry first (`layout`), pixels second (`render`)."""
