"""`python -m kit` is the command line."""

from kit.cli import main

main()
