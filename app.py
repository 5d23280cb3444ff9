"""Serves the web chat over ./index, which is built from ./seeds at first use: python app.py"""

import sys

from qa.engine import open_default
from qa.errors import QAError
from qa.web import serve

if __name__ == "__main__":
    try:
        serve(open_default)
    except QAError as error:
        print(f"qa: {error}", file=sys.stderr)
        sys.exit(2)
