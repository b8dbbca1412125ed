"""The books (统计挂钩): counted areas, rectification, quota linkage, ledger, ratios, clocks."""
