"""Asynchronous client of the Ray Jobs API: submits jobs, watches them to their end, shows their logs, stops them.

Plain HTTP: it needs neither Ray nor Airflow.
"""
