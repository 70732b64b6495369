"""Builds the price list and publishes it only when it is whole, valid and plausible."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Max, TextChoices
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.repricing import are_prices_outdated, reprice
from feeds import carrying, files
from feeds.changes import follow_changes
from feeds.comparing import counted_again
from feeds.drafting import Draft, Refusal, check_draft, write_draft, write_restored
from feeds.healing import finish_publication, heal, settle_interrupted
from feeds.models import FeedBuild
from feeds.retention import delete_old_builds
from feeds.standing_in import keep_login
from feeds.unchanged import is_made_of_the_same, last_whole
from feeds.validating import InvalidPriceList
from feeds.withholding import forget_withheld_but, mark_withheld, skus_withheld_at
from plumbing.collecting import collecting_rarely
from plumbing.leases import LeaseHandle, LeaseLost, under_lease
from plumbing.queue import enqueue
from plumbing.redaction import redact

LEASE = "feed-build"
# Figures that change while the list is written have it written anew so often.
WRITTEN_ANEW = 2
Status = FeedBuild.Status


class BuildEnd(TextChoices):
    PUBLISHED = "published", gettext_lazy("published")
    UNCHANGED = "unchanged", gettext_lazy("nothing changed")
    REFUSED = "refused", gettext_lazy("refused")
    FAILED = "failed", gettext_lazy("failed")
    PINNED = "pinned", gettext_lazy("pinned")
    VALID = "valid", gettext_lazy("valid, not published")


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A person's word that a build may do what an automatic one may not."""

    reason: str
    actor: str
    # The SKUs that it lets go off sale, however many; None: whatever goes.
    lets_go: frozenset[str] | None = None

    def __str__(self) -> str:
        return _("forced by %(actor)s: %(reason)s") % {
            "actor": self.actor,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What became of a build, for whoever asked for it."""

    end: BuildEnd
    reason: str = ""
    build_pk: int | None = None
    counts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        """Whether the live list is as it should be."""
        return self.end not in (BuildEnd.REFUSED, BuildEnd.FAILED)

    @property
    def summary(self) -> str:
        number = "" if self.build_pk is None else f"№{self.build_pk}: "
        said = [str(self.end.label)]
        if self.counts:
            said.append(
                _("%(offers)d offers, %(on_sale)d on sale, %(withdrawn)d withdrawn")
                % self.counts
            )
        if self.reason:
            said.append(self.reason)
        return number + "; ".join(said)


def build_price_list(
    *, now: datetime, override: Override | None = None, is_dry_run: bool = False
) -> BuildResult:
    """Build the list and publish it when it differs from the live one.

    A version that was put back keeps its goods and prices, with the stock of today.
    `override` lifts the limit on withdrawals, and unpins a version that was put back
    unless it names goods.
    A dry run changes neither list nor database, and takes the prices as stored.
    Raises `LeaseTaken` while another build is under way.
    """
    with under_lease(LEASE) as lease, collecting_rarely():
        if is_dry_run:
            return _try_out(now=now)
        try:
            live = _make_ready(lease, now=now)
        except OSError as error:
            return _not_ready(error, now=now)
        pinned = FeedBuild.objects.pinned(now)
        is_about_some = override is None or override.lets_go is not None
        if is_about_some and (active := pinned.first()):
            attempt = _begin(lease, now=now, override=override)
            return attempt.settle(lambda: _renew_pinned(attempt, active, live))
        pinned.update(pinned_until=None)
        attempt = _begin(lease, now=now, override=override)
        return attempt.settle(lambda: _build(attempt, live))


def override_refusal(
    build: FeedBuild, *, reason: str, actor: str, now: datetime
) -> BuildResult:
    """Build afresh with the limit on withdrawals lifted.

    `build` was refused, or kept on sale what should go off: just that goes then, and
    not what else would go by now, which nobody has seen.
    """
    lets_go = None
    if build.withholds:
        lets_go = skus_withheld_at(build.started_at)
        number = _("№%(number)d kept offers on sale") % {"number": build.pk}
    else:
        number = _("№%(number)d was refused") % {"number": build.pk}
    override = Override(reason=f"{reason} ({number})", actor=actor, lets_go=lets_go)
    return build_price_list(now=now, override=override)


def roll_back(
    build: FeedBuild, *, reason: str, actor: str, now: datetime
) -> BuildResult:
    """Put the goods and prices of an archived version back for a while.

    Its stock is today's, and automatic builds keep it so until the while is over.
    """
    with under_lease(LEASE) as lease:
        try:
            _make_ready(lease, now=now)
        except OSError as error:
            return _not_ready(error, now=now)
        attempt = _begin(lease, now=now, override=Override(reason=reason, actor=actor))
        return attempt.settle(lambda: _put_back(attempt, build.pk))


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """One run of the lease holder: its row, its file, its clock."""

    build: FeedBuild
    draft: Draft
    lease: LeaseHandle
    now: datetime
    override: Override | None
    began_s: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> Decimal:
        return Decimal(f"{time.monotonic() - self.began_s:.2f}")

    @property
    def remark(self) -> str:
        said = (str(self.override or ""), self.draft.remark)
        return "; ".join(filter(None, said))

    def settle(self, work: Callable[[], BuildResult]) -> BuildResult:
        """Run `work`; whatever goes wrong, the row tells it and no file stays."""
        try:
            result = work()
        except (Refusal, InvalidPriceList) as refusal:
            result = _refused(self, str(refusal))
        except OSError as error:
            # The disk is full or the live file is locked: the next run tries again.
            result = self._failed(str(error))
        except LeaseLost as error:
            # This process slept too long, and the row is its successor's by now.
            pk, said = self.build.pk, str(error)
            return BuildResult(end=BuildEnd.FAILED, reason=said, build_pk=pk)
        except Exception as error:
            self._failed(redact(f"{type(error).__name__}: {error}"))
            raise
        finally:
            self.draft.remove()
        delete_old_builds(now=self.now)
        return result

    def _failed(self, reason: str) -> BuildResult:
        pk = self.build.pk
        confirm = self.lease.confirm
        settle_interrupted(pk, now=self.now, confirm=confirm, reason=reason)
        return BuildResult(end=BuildEnd.FAILED, reason=reason, build_pk=pk)


def _make_ready(lease: LeaseHandle, *, now: datetime) -> FeedBuild | None:
    files.make_directories()
    keep_login()
    return heal(now=now, confirm=lease.confirm)


def _not_ready(error: OSError, *, now: datetime) -> BuildResult:
    """Leave a row even when the directory cannot be used: the dashboard shows it."""
    build = FeedBuild.objects.create(
        status=Status.FAILED, started_at=now, reason=str(error)
    )
    return BuildResult(end=BuildEnd.FAILED, reason=build.reason, build_pk=build.pk)


def _begin(lease: LeaseHandle, *, now: datetime, override: Override | None) -> _Attempt:
    build = FeedBuild.objects.create(status=Status.BUILDING, started_at=now)
    draft = Draft(path=files.temporary_path(f"build-{build.pk}"))
    return _Attempt(build=build, draft=draft, lease=lease, now=now, override=override)


def _build(attempt: _Attempt, live: FeedBuild | None) -> BuildResult:
    draft, now = attempt.draft, attempt.now
    reprice(now=now)
    if live is not None and attempt.override is None:
        whole = last_whole(live, now=now)
        if whole is not None and is_made_of_the_same(whole, now=now):
            return _unchanged(attempt, live, counts=counted_again(whole.counts))
    _write(attempt)
    # Before the list is live: the next build must find what this one keeps.
    mark_withheld(draft.differences.kept, now=now)
    if live is not None and draft.content_sha256 == live.content_sha256:
        # The list is what it was: whatever listings say otherwise is not.
        follow_changes(draft.changes_path, now=now, confirm=attempt.lease.confirm)
        result = _unchanged(attempt, live, counts=draft.counts)
    else:
        check_draft(draft)
        _tell_of_points(draft, live)
        result = _publish(
            attempt,
            counts=draft.counts,
            diff=draft.differences.diff(),
            content_sha256=draft.content_sha256,
            inputs=draft.inputs,
            reason=attempt.remark,
        )
    _follow_withheld(draft)
    return result


def _tell_of_points(draft: Draft, live: FeedBuild | None) -> None:
    """Say why each offer may differ although its stock and its least price do not."""
    if live is None or live.counts.get("points", draft.points) == draft.points:
        return
    said = _("the points of sale, their shares, pre-order or supplements changed")
    draft.remark = "; ".join(filter(None, [said, draft.remark]))


def _follow_withheld(draft: Draft) -> None:
    """Forget what is not withheld any more, and ask for the second word on the rest.

    Once the list is live: what a build that failed would forget was not decided.
    """
    forget_withheld_but(draft.differences.kept)
    if draft.differences.unconfirmed:
        enqueue("feeds.tasks.confirm_withdrawals", cluster="imports")


def _write(attempt: _Attempt) -> None:
    lets_go = attempt.override.lets_go if attempt.override else frozenset()
    _write_priced(
        attempt, lambda: write_draft(attempt.draft, now=attempt.now, lets_go=lets_go)
    )


def _write_priced(attempt: _Attempt, write: Callable[[], None]) -> None:
    """Write the list of goods whose prices are those of their figures.

    Another host's import may make goods dearer between the pricing and the reading:
    they would go out with their new stock at the old price.
    """
    write()
    for _again in range(WRITTEN_ANEW):
        if not are_prices_outdated():
            return
        reprice(now=attempt.now)
        write()


def _put_back(attempt: _Attempt, pk: int) -> BuildResult:
    earlier = FeedBuild.objects.filter(pk=pk, status=Status.ARCHIVED).first()
    if earlier is None:
        raise Refusal(_("№%(number)d is not an earlier version") % {"number": pk})
    _write_again(attempt, earlier, lets_go=frozenset())
    said = _("№%(number)d put back") % {"number": pk}
    return _publish_again(
        attempt,
        pk,
        reason=f"{said}, {attempt.override}",
        pinned_until=attempt.now + timedelta(minutes=settings.FEED_ROLLBACK_HOLD_MIN),
    )


def _renew_pinned(
    attempt: _Attempt, active: FeedBuild, live: FeedBuild | None
) -> BuildResult:
    """Bring the stock of a version that was put back up to date."""
    earlier = FeedBuild.objects.filter(pk=active.counts.get("put_back")).first()
    lets_go = attempt.override.lets_go if attempt.override else None
    _write_again(
        attempt,
        *filter(None, [earlier, active]),
        lets_go=lets_go or frozenset(),
    )
    draft, pk = attempt.draft, (earlier or active).pk
    if live is not None and draft.content_sha256 == live.content_sha256:
        _unchanged(attempt, live, counts={**draft.counts, "put_back": pk})
        _follow_withheld(draft)
        return _still_pinned(active)
    said = (active.reason, str(attempt.override or ""))
    return _publish_again(
        attempt,
        pk,
        reason="; ".join(filter(None, said)),
        pinned_until=active.pinned_until,
    )


def _write_again(
    attempt: _Attempt, *versions: FeedBuild, lets_go: frozenset[str]
) -> None:
    """Write the first of the versions whose file is there with the stock of today."""
    source = files.temporary_path(f"earlier-{attempt.build.pk}")
    try:
        found = next((each for each in versions if carrying.unpack(each, source)), None)
        if found is None:
            said = _("the file of №%(number)d is gone") % {"number": versions[0].pk}
            raise Refusal(said)
        # While it is pinned another host may have to write it again.
        carrying.hand_over_once(found.pk)
        # What was not on sale then is sold only where today's price is no higher.
        reprice(now=attempt.now)
        _write_priced(
            attempt,
            lambda: write_restored(
                attempt.draft, source, now=attempt.now, lets_go=lets_go
            ),
        )
    finally:
        source.unlink(missing_ok=True)
    mark_withheld(attempt.draft.differences.kept, now=attempt.now)


def _publish_again(attempt: _Attempt, pk: int, **known: Any) -> BuildResult:
    draft = attempt.draft
    check_draft(draft)
    result = _publish(
        attempt,
        counts={**draft.counts, "put_back": pk},
        diff=draft.differences.diff(),
        content_sha256=draft.content_sha256,
        **known,
    )
    _follow_withheld(draft)
    return result


def _publish(attempt: _Attempt, **known: Any) -> BuildResult:
    """Make the checked file live. `known` are the row's columns."""
    pk, checked = attempt.build.pk, attempt.draft.checked
    if checked is None:
        raise Refusal(_("the file was not checked"))
    files.keep_version(attempt.draft.path, pk)
    if attempt.draft.changes_path.exists():
        files.replace(attempt.draft.changes_path, files.changes_path(pk))
    carrying.hand_over(pk)
    attempt.lease.confirm()
    modified_s = _next_second()
    FeedBuild.objects.filter(pk=pk).update(
        status=Status.PUBLISHING,
        sha256=checked.sha256,
        size_bytes=checked.size_bytes,
        modified_s=modified_s,
        seconds=attempt.seconds,
        **known,
    )
    with files.alone():
        attempt.lease.confirm()
        files.put_live(attempt.draft.path, pk, modified_s=modified_s)
    finish_publication(pk, now=attempt.now, confirm=attempt.lease.confirm)
    return BuildResult(
        end=BuildEnd.PUBLISHED,
        reason=known["reason"],
        build_pk=pk,
        counts=known["counts"],
    )


def _next_second() -> int:
    """Give the new file's time, later than the last list's on whichever host."""
    last = FeedBuild.objects.aggregate(last=Max("modified_s"))["last"] or 0
    # A clock that was a year ahead once shall not date every list to come.
    is_plausible = last < time.time() + 86_400
    return max(files.next_second(), last + 1 if is_plausible else 0)


def _unchanged(
    attempt: _Attempt, live: FeedBuild, *, counts: dict[str, Any]
) -> BuildResult:
    FeedBuild.objects.filter(pk=attempt.build.pk).update(
        status=Status.UNCHANGED,
        counts=counts,
        # Nothing but what is withheld.
        diff=attempt.draft.differences.diff(),
        content_sha256=live.content_sha256,
        inputs=attempt.draft.inputs,
        sha256=live.sha256,
        size_bytes=live.size_bytes,
        seconds=attempt.seconds,
        reason=attempt.remark,
    )
    return BuildResult(
        end=BuildEnd.UNCHANGED,
        reason=attempt.draft.remark,
        build_pk=live.pk,
        counts=counts,
    )


def _refused(attempt: _Attempt, reason: str) -> BuildResult:
    known = {
        "reason": reason,
        "content_sha256": attempt.draft.content_sha256,
        "counts": attempt.draft.counts,
        "diff": attempt.draft.differences.diff(),
        "seconds": attempt.seconds,
        "started_at": attempt.now,
    }
    pk = attempt.build.pk
    if attempt.override is None and (same := _same_refusal(attempt, reason)):
        attempt.build.delete()
        pk = same.pk
    FeedBuild.objects.filter(pk=pk).update(status=Status.REFUSED, **known)
    return BuildResult(
        end=BuildEnd.REFUSED, reason=reason, build_pk=pk, counts=attempt.draft.counts
    )


def _same_refusal(attempt: _Attempt, reason: str) -> FeedBuild | None:
    """Find the row of the build before, when it was refused just like this one."""
    last = FeedBuild.objects.exclude(pk=attempt.build.pk).first()
    if last is None or last.status != Status.REFUSED or last.reason != reason:
        return None
    return last if last.content_sha256 == attempt.draft.content_sha256 else None


def _still_pinned(active: FeedBuild) -> BuildResult:
    until = timezone.localtime(active.pinned_until)
    return BuildResult(
        end=BuildEnd.PINNED,
        build_pk=active.pk,
        reason=_("pinned until %(time)s") % {"time": f"{until:%Y-%m-%d %H:%M}"},
    )


def _try_out(*, now: datetime) -> BuildResult:
    draft = Draft(path=files.temporary_path("dry-run"))
    try:
        files.make_directories()
        write_draft(draft, now=now)
        check_draft(draft)
    except (Refusal, InvalidPriceList) as refusal:
        return BuildResult(
            end=BuildEnd.REFUSED, reason=str(refusal), counts=draft.counts
        )
    except OSError as error:
        return BuildResult(end=BuildEnd.FAILED, reason=str(error))
    finally:
        draft.remove()
    return BuildResult(end=BuildEnd.VALID, reason=draft.remark, counts=draft.counts)
