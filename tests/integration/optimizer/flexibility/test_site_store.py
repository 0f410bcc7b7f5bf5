"""What the optimizer reads of a site."""

from __future__ import annotations

from services.optimizer.flexibility.site_store import asset_tree
from shared.ids import OPEN_ACCOUNT_ID
from tests.integration.optimizer.flexibility.world import Site


async def test_assets_far_above_and_below_belong_to_a_site(site: Site) -> None:
    line = [await site.asset("level 0")]
    for level in range(1, 121):
        line.append(await site.asset(f"level {level}", parent=line[-1]))
    async with site.database.reading(OPEN_ACCOUNT_ID) as connection:
        assert list(await asset_tree(connection, OPEN_ACCOUNT_ID, line[60])) == line
