"""Registers runs without the console command: `python jobs/register.py --config FILE --experiment NAME`."""

from brierlake.cli import register

if __name__ == "__main__":
    register()
