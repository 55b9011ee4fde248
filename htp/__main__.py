"""``python -m htp``: the same as the command ``htp``."""

from htp.cli import main

if __name__ == "__main__":
    main()
