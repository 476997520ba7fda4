"""Layouts that one published system gives to many data sets, one file a system."""
