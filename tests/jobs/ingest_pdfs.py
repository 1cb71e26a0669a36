"""See `arguments`."""

from arguments import report

report()
