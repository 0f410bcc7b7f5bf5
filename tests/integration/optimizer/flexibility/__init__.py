"""Tests of schedule and forecast jobs."""
