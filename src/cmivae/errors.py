"""The one error that a user may see: what, where, why and how to fix it, without a traceback."""

EXIT_USER = 2  # bad input, missing file, stale or half-written artefact
EXIT_BUSY = 75  # another process holds the run (EX_TEMPFAIL)
EXIT_PREEMPTED = 85  # stopped by a signal after saving; start again to go on


class UserError(Exception):
    """Something that the user can put right.

    Args:
        what: what is wrong, in one line.
        where: file or ``file:key`` that it was found in. Code that does not know the name of its data set or
            configuration writes ``*`` for it, and the runner fills it in.
        why: what the program needs or expected.
        fix: what to do about it.
        code: process exit code.
    """

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "", code: int = EXIT_USER):
        super().__init__(what)
        self.what, self.where, self.why, self.fix, self.code = what, where, why, fix, code

    def __str__(self) -> str:
        lines = [self.what]
        lines += [f"  {name:<6}{text}" for name, text in self._details() if text]
        return "\n".join(lines)

    def _details(self) -> list[tuple[str, str]]:
        return [("where", str(self.where)), ("why", self.why), ("fix", self.fix)]


class Preempted(UserError):
    """The run was asked to stop, saved its state and can go on later."""

    def __init__(self, what: str, **details: str):
        super().__init__(what, code=EXIT_PREEMPTED, **details)
