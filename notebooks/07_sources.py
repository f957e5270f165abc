# %% [markdown]
# # Imagery from a catalogue or from Earth Engine, step by step  从 STAC 目录或 Earth Engine 获取影像
#
# This page runs without a network: a small ItemCollection is written with two simulated Sentinel-2 passes, read as any
# catalogue is, and the size of Earth Engine's requests is reckoned without asking it. What a live service answers was **not**
# exercised here; the last section says how to look. SIMULATED 模拟数据.
#
# 本页离线运行：写出两景模拟影像的 ItemCollection 并按目录读取；在线服务本身未在此验证。

# %%
import json
import tempfile
from datetime import date
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.warp import transform_bounds

from sinkest.aoi import build_grid, read_zones
from sinkest.imagery.earthengine.wire import PIXEL_BYTES, REQUEST_BYTES, plan_tiles
from sinkest.imagery.source import QA, Period
from sinkest.imagery.stac.make import make_source
from sinkest.shipped import shipped
from sinkest.simulate.landscape import Landscape

# %% [markdown]
# ## Two passes, as files and as items  两景影像：文件与条目
# An item tells where its files lie, on which grid, and how numbers become reflectance. The baseline of the processing decides
# on an offset of 1000; it is read from the item, never guessed from the date. 偏移量由处理基线决定，取自条目，不按日期猜测。

# %%
folder = Path(tempfile.mkdtemp())
grid = GeoBox.from_bbox((786_000, 2_905_000, 792_000, 2_911_000), "EPSG:32649", resolution=20)
stock = Landscape(20250101).fields(grid, 2025)["volume_m3_ha"]
print(f"{grid.shape.y} x {grid.shape.x} pixels, mean growing stock {stock.mean():.0f} m3/ha")


def write(name: str, values: np.ndarray) -> dict:
    """A file of the pass, and the asset that tells of it."""
    path = folder / f"{name}.tif"
    profile = {"driver": "GTiff", "width": grid.shape.x, "height": grid.shape.y, "count": 1, "dtype": values.dtype}
    with rasterio.open(path, "w", crs="EPSG:32649", transform=grid.affine, nodata=0, tiled=True, **profile) as target:
        target.write(values, 1)
    return {
        "href": path.as_uri().removeprefix("file://"),
        "type": "image/tiff; application=geotiff",
        "roles": ["data"],
        "proj:shape": list(grid.shape.yx),
        "proj:transform": list(grid.affine)[:6],
        "raster:bands": [{"nodata": 0}],
    }


rng = np.random.default_rng(5)
box = list(transform_bounds("EPSG:32649", "EPSG:4326", *grid.boundingbox.bbox))
ring = [[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]], [box[0], box[1]]]
items = []
for day, cloudy in ((12, 0.0), (17, 0.35)):
    clouds = np.zeros(grid.shape.yx, dtype=bool)
    clouds[: int(cloudy * grid.shape.y)] = True
    red = 0.09 - 0.0002 * stock + rng.normal(0, 0.004, stock.shape)
    nir = 0.22 + 0.0009 * np.minimum(stock, 160) + rng.normal(0, 0.01, stock.shape)
    numbers = {
        band: np.where(clouds, 9000, np.clip(values, 0.001, 1) * 1e4 + 1000).astype(np.uint16)
        for band, values in (("B04", red), ("B08", nir))
    }
    assets = {band: write(f"{band}_{day}", values) for band, values in numbers.items()}
    assets["SCL"] = write(f"SCL_{day}", np.where(clouds, 9, 4).astype(np.uint8))
    items.append(
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": f"S2A_T49RGL_202507{day}",
            "collection": "sentinel-2-l2a",
            "links": [],
            "stac_extensions": ["https://stac-extensions.github.io/projection/v1.1.0/schema.json"],
            "bbox": box,
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {
                "datetime": f"2025-07-{day}T03:00:00Z",
                "platform": "Sentinel-2A",
                "proj:epsg": 32649,
                "eo:cloud_cover": 100 * cloudy,
                "s2:processing_baseline": "05.11",
                "s2:datatake_id": f"GS2A_202507{day}",
                "s2:mean_solar_zenith": 25.0,
                "s2:mean_solar_azimuth": 110.0,
            },
            "assets": assets,
        }
    )
saved = folder / "items.json"
saved.write_text(json.dumps({"type": "FeatureCollection", "features": items}), encoding="utf-8")

# %% [markdown]
# ## Read as any catalogue  按目录读取
# A saved collection takes the place of a service: the same search, offsets, masks and resampling. In a configuration these
# are the lines below; without `items` the catalogue itself is asked. 配置中的写法如下；省略 `items` 即查询在线目录。
#
# ```toml
# [imagery]
# source = "stac"
# [imagery.stac]
# preset = "planetary-computer"   # or "earth-search"
# items = "items.json"            # a saved search; leave out to ask the service
# max_cloud = 80
# ```

# %%
names = {"assets": {"red": "B04", "nir": "B08"}}  # the two bands that were written; a real catalogue has them all
source = make_source("planetary-computer", items=saved, layout=names, radar_collection="")
scenes = source.search(grid, Period(date(2025, 7, 1), date(2025, 7, 31)))
for scene in scenes:
    read = source.read(grid, scene, ("red", "nir"))
    clear = read[QA] == 4
    ndvi = (read["nir"] - read["red"]) / (read["nir"] + read["red"])
    print(f"{scene.time:%Y-%m-%d}: {clear.mean():.0%} clear, NDVI of the clear {ndvi[clear].mean():.3f}")

# %%
first = source.read(grid, scenes[0], ("red", "nir"))
truth = np.clip(0.09 - 0.0002 * stock, 0.001, 1)
print(f"red as read {first['red'].mean():.4f}, as simulated {truth.mean():.4f}: the offset was taken off, once")
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
for panel, scene in zip((left, right), scenes, strict=True):
    read = source.read(grid, scene, ("red", "nir"))
    shown = np.where(read[QA] == 4, (read["nir"] - read["red"]) / (read["nir"] + read["red"]), np.nan)
    panel.imshow(shown, vmin=0.3, vmax=0.9, cmap="YlGn")
    panel.set_title(f"NDVI {scene.time:%Y-%m-%d}  SIMULATED", fontsize=10)
    panel.set_axis_off()
figure.tight_layout()
figure.show() if plt.isinteractive() else figure.canvas.draw()

# %% [markdown]
# ## Earth Engine: who, then how much  Earth Engine：先身份，后用量
# 1. A Cloud project registered for Earth Engine, named as `imagery.earthengine.project`. 注册过的 Cloud 项目。
# 2. Credentials: `earthengine authenticate`, or a key file as `credentials`. They are never written into a run's record.
#    凭据不会写入运行记录。
# 3. `sinkest doctor --source config.toml` goes the way step by step and names the step that fails. 逐步检查并指出失败之处。
# 4. `sinkest fetch config.toml --dry-run` says how many requests and bytes it will take, before any pixel is asked for.
# 5. `sinkest fetch config.toml` acquires; interrupted, it goes on where it was. 可中断并继续。
#
# Composites are made there; only the result travels. A request may hold a few dozen MB, so a block is cut into windows:

# %%
city = build_grid(read_zones(shipped("aoi/zhuzhou.geojson")), 10)
bands = 10
windows = plan_tiles(tuple(city.shape.yx), bands, 512)
pixels = city.shape.y * city.shape.x
print(f"the city at 10 m: {city.shape.y} x {city.shape.x} pixels, {bands} bands")
print(
    f"{len(windows)} requests of at most {REQUEST_BYTES / 2**20:.0f} MiB, {pixels * bands * PIXEL_BYTES / 2**30:.1f} GiB"
)
inside = sum((w[0].stop - w[0].start) * (w[1].stop - w[1].start) for w in windows)
print("each pixel in exactly one request:", inside == pixels)

# %% [markdown]
# ## What was not exercised here  此处未验证的
# No service was contacted. The clients are held against servers of the tests on loopback, which prove grids, offsets, masks,
# retries and decoding, not what the live services answer. With a network, this looks at the real catalogues:
# `SINKEST_LIVE_STAC=earth-search,planetary-computer python -m pytest tests/test_stac_live.py --force-enable-socket`.
# 未连接任何在线服务；有网络时可用上述命令检验。
