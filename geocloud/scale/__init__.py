"""Many scenes on Dask, and lazy scoring of Dask-backed arrays. Nothing here imports Dask before it is needed."""
