"""`python -m studbook.cli`: the command line where the `studbook` script is not on the path."""

from studbook.cli.main import main

if __name__ == "__main__":
    main()
