"""Logits of the estimators of I(z;s) on test data, for every kind of data (appendix E; docs/protocol.md)."""

from torch import Tensor

from cmivae.evaluation.posthoc import TEST, pair_logits, train_posthoc
from cmivae.models.contract import Vae
from cmivae.progress import log
from cmivae.provenance.context import Context
from cmivae.training.build import build_critic, load_weights
from cmivae.training.critics import build_contender
from cmivae.training.devices import generator
from cmivae.training.items import Items

ONLINE, POSTHOC = 31, 34  # streams of random numbers


def estimates(context: Context, model: Vae, train: Items, valid: Items, test: Items) -> dict[str, Tensor]:
    """``online_*`` of the critic trained beside the VAE, ``posthoc_*`` of those trained now; each where wanted."""
    found: dict[str, Tensor] = {}
    online = context.workspace / "runs/train" / context.run.name / "critic_estimator.safetensors"
    device = next(model.parameters()).device
    if online.is_file():
        critic = build_critic("estimator", context.dataset.critic, model, device, context.run.seed)
        load_weights(online, critic)
        drawn = generator(device, context.dataset.embed.eval_seed, ONLINE)
        joint, shuffled = pair_logits(model, [critic], test, drawn)
        found |= {"online_joint": joint[0], "online_shuffled": shuffled[0]}  # (N,), (N,)
    if context.dataset.embed.posthoc.inits:
        found |= _posthoc(context, model, train, valid, test)
    return found


def _posthoc(context: Context, model: Vae, train: Items, valid: Items, test: Items) -> dict[str, Tensor]:
    dataset, seed = context.dataset, context.dataset.embed.eval_seed
    device, contenders = next(model.parameters()).device, []
    for init in range(dataset.embed.posthoc.inits):
        critic = build_critic("estimator", dataset.critic, model, device, seed, POSTHOC, init)
        noise = generator(device, seed, POSTHOC, init)
        contenders.append(build_contender("estimator", critic, dataset.train, noise))
    size = dataset.train.batch_size
    best = train_posthoc(
        model, contenders, dataset.embed.posthoc,
        train=train, valid=valid, batch_size=size, seed=seed, name=context.run.name,
        graph=context.params.compute.graph,
    )  # fmt: skip
    log.info("posthoc %s stopped at epochs %s", context.run.name, [each.epoch for each in best])
    joint, shuffled = pair_logits(model, [each.module for each in contenders], test, generator(device, seed, TEST))
    return {"posthoc_joint": joint, "posthoc_shuffled": shuffled}  # (I, N), (I, N)
