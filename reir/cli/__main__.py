"""``python -m reir.cli``, for launchers that start a module in several processes."""

from reir.cli import main

if __name__ == "__main__":
    main()
