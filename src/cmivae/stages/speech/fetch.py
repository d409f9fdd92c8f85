"""Stage fetch for speech: an index of the user's corpus, each file by hash; audio is brought only if asked."""

from pathlib import Path

from cmivae.data.corpus import save_index
from cmivae.progress import log
from cmivae.provenance.context import Context
from cmivae.registry import CORPORA, load


def make(context: Context) -> None:
    """Write ``utterances.csv``; the corpus stays where it is, and ``run.json`` says where that was."""
    corpus = load(CORPORA[context.speech.reader])(context.speech.data)
    root = given_root(context) or corpus.obtain(context.folder)
    utterances = corpus.index(root)
    save_index(utterances, context.folder)
    speakers = len({each.speaker for each in utterances})
    log.info("%s: %d utterances of %d speakers", context.dataset_name, len(utterances), speakers)
    inside = root.absolute().is_relative_to(context.workspace.absolute())
    context.record["source"] = str(root.absolute().relative_to(context.workspace.absolute()) if inside else root)


def given_root(context: Context) -> Path | None:
    """The user's own copy: of the command line, or of params, where a path is relative to the workspace."""
    if context.source is not None:
        return Path(context.source).expanduser().absolute()
    source = context.speech.data.source
    return None if source is None else (context.workspace / Path(source).expanduser()).absolute()
