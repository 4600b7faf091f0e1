"""The demo without the console command: `python jobs/demo.py --folder brierlake-demo`."""

from brierlake.cli import demo

if __name__ == "__main__":
    demo()
