"""What a team would write by hand instead: FastAPI, Celery and Redis on one machine, without accounts."""
