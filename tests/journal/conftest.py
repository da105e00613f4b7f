from journal_bench import bench

__all__ = ["bench"]
