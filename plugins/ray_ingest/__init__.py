"""This platform inside Airflow: the factory, the forms and the documents of its Dags, and its plugin."""
