"""Turn the picture of an ECG lead into a signal in millivolt."""
