"""The commands that go to Sparks, as data, and their answers read into values."""
