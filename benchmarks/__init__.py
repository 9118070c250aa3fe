"""What the library costs, as ratios measured side by side. Run with ``make bench``."""
