"""Estimators of aggregates from their images: training, prediction, error analysis, reports."""
