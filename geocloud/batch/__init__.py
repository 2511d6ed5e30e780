"""Many scenes on Dask."""
