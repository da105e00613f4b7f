"""Properties are tried with the same fifty examples each time; with thousands by `--hypothesis-profile long`."""

from hypothesis import settings

settings.register_profile("short", max_examples=50, derandomize=True, deadline=None)
settings.register_profile("long", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile("short")
