"""Stands in for the real job script where a test is about the Dag: reports the arguments that it was given."""

import json
import sys

print("REPORT " + json.dumps({"pipeline": "maintenance", "argv": sys.argv[1:], "listed": 0}))
