"""One training with pyroVED or AtomAI, for `patch_vae.py`; needs that package alone, not this project.

python patch_vae_others.py pyroved|atomai FOLDER OPTIONS: reads FOLDER/patches.npz, writes FOLDER/found.npz.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import library

torch.set_num_threads(1)
# Beside a CPU build of torch, torchvision lacks these two, and fails when it is imported.
if "+cpu" in torch.__version__:
    OPERATORS = library.Library("torchvision", "FRAGMENT")
    OPERATORS.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    OPERATORS.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def with_pyroved(patches: np.ndarray, asked: dict[str, Any]) -> dict[str, Any]:
    import pyroved

    n, h, w = patches.shape
    freedoms = ["r", "t"] if asked["shift_px"] else ["r"]
    hidden = [asked["width"]] * asked["layers"]
    reach = asked["shift_px"] / (h / 2)  # its grid goes from -1 to 1
    model = pyroved.models.iVAE(
        (h, w),
        latent_dim=asked["latent"],
        invariances=freedoms,
        hidden_dim_e=hidden,
        hidden_dim_d=hidden,
        seed=asked["seed"],
        device="cpu",
        dx_prior=reach,
        dy_prior=reach,
    )
    images = torch.from_numpy(patches)
    loader = pyroved.utils.init_dataloader(images, batch_size=asked["batch"])
    trainer = pyroved.trainers.SVItrainer(model, seed=asked["seed"], device="cpu")
    started = time.process_time()
    for _ in range(asked["epochs"]):
        trainer.step(loader)
    seconds = (time.process_time() - started) / asked["epochs"]
    mean, _ = model.encode(images)
    with torch.no_grad():
        angle, shift, scale, z = model.split_latent(mean)
        if asked["shift_px"]:
            shift = (shift * model.t_prior).unsqueeze(1)
        grid = model.grid.expand(n, *model.grid.shape)
        places = pyroved.utils.transform_coordinates(grid, angle, shift, scale)
        made = model.decoder(places, z).view(n, 1, h, w)
    return {"seconds": seconds, "latents": z, "angle": np.degrees(angle.numpy()).reshape(-1), "made": made}


def with_atomai(patches: np.ndarray, asked: dict[str, Any]) -> dict[str, Any]:
    vars(np).setdefault("product", np.prod)  # AtomAI 0.8.1 still calls it; NumPy 2 has dropped it
    import atomai
    from atomai.utils import transform_coordinates

    n, h, w = patches.shape
    model = atomai.models.rVAE(
        (h, w),
        latent_dim=asked["latent"],
        translation=bool(asked["shift_px"]),
        seed=asked["seed"],
        numlayers_encoder=asked["layers"],
        numlayers_decoder=asked["layers"],
        numhidden_encoder=asked["width"],
        numhidden_decoder=asked["width"],
    )
    started = time.process_time()
    model.fit(
        patches,
        training_cycles=asked["epochs"],
        batch_size=asked["batch"],
        loss="ce",
        filename="atomai-model",
        translation_prior=asked["shift_px"] / (h / 2) or 0.1,
    )
    seconds = (time.process_time() - started) / asked["epochs"]
    mean, _ = model.encode(patches)
    code = torch.from_numpy(np.asarray(mean, np.float32))
    z = code[:, -asked["latent"] :]
    shift = (code[:, 1:3] * model.dx_prior).unsqueeze(1) if asked["shift_px"] else 0
    with torch.no_grad():
        places = transform_coordinates(model.x_coord.expand(n, *model.x_coord.size()), code[:, 0], shift)
        made = torch.sigmoid(model.decoder_net(places, z)).view(n, 1, h, w)
    return {"seconds": seconds, "latents": z, "angle": np.degrees(code[:, 0]), "made": made}


if __name__ == "__main__":
    package, folder, options = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    seen = np.load(folder / "patches.npz")["patches"][:, 0].astype(np.float32)
    found = (with_pyroved if package == "pyroved" else with_atomai)(seen, options)
    np.savez(folder / "found.npz", **found)
