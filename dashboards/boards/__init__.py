"""The dashboards: `grid` says how panels look, the other modules what is on them."""
