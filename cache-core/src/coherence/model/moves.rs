//! Everything that can happen next.

use super::{
    Scenario,
    world::{Budget, World},
};

/// Something that happens to all, or to one process, of which some have a number: of a flight, a bump, or an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Tick,
    Evict(usize),
    Expire(usize),
    Copy,
    FailOver,
    Split,
    Outage,
    Arrive(usize),
    Capture(usize),
    Join(usize),
    Read(usize, usize),
    LoseRead(usize, usize),
    Revalidate(usize, usize),
    Judge(usize, usize),
    Ensure(usize, usize),
    Load(usize, usize),
    Land(usize, usize),
    Fill(usize),
    Look(usize),
    LookAgain(usize),
    Put(usize),
    PutLands(usize),
    Write(usize, usize),
    Hold(usize, usize),
    Cancel(usize),
    Mark(usize, usize),
    Vanish(usize, usize),
    CommitLate(usize),
    Emit(usize),
    Die(usize),
    Bump(usize, usize),
    Acknowledge(usize, usize),
    Fail(usize, usize),
    Overdue(usize, usize),
    Retry(usize, usize),
    LoseConnection(usize),
    Connect(usize),
    Subscribe(usize),
    Connected(usize),
    Beat(usize),
    Ping(usize),
    Hear(usize),
    LoseEars(usize),
    BlackHole(usize),
}

/// All that can happen in a scenario at one time or another.
pub(super) fn moves(scenario: &Scenario) -> Vec<Move> {
    let mut moves = Move::of_all().to_vec();
    for p in 0..2 {
        moves.extend(Move::of_process(p));
        moves.extend((0..2).flat_map(|flight| Move::of_flight(p, flight)));
        moves.extend((0..2).flat_map(|event| Move::of_event(p, event)));
        moves.extend((0..3).flat_map(|job| Move::of_job(p, job)));
    }
    moves.retain(|next| next.can_be(&scenario.left));
    moves
}

impl Move {
    fn of_all() -> [Self; 9] {
        [
            Self::Tick,
            Self::Copy,
            Self::FailOver,
            Self::Split,
            Self::Outage,
            Self::Evict(0),
            Self::Evict(1),
            Self::Expire(0),
            Self::Expire(1),
        ]
    }

    fn of_process(p: usize) -> [Self; 21] {
        [
            Self::Arrive(p),
            Self::Capture(p),
            Self::Join(p),
            Self::Fill(p),
            Self::Look(p),
            Self::LookAgain(p),
            Self::Put(p),
            Self::PutLands(p),
            Self::Cancel(p),
            Self::CommitLate(p),
            Self::Emit(p),
            Self::Die(p),
            Self::LoseConnection(p),
            Self::Connect(p),
            Self::Subscribe(p),
            Self::Connected(p),
            Self::Beat(p),
            Self::Ping(p),
            Self::Hear(p),
            Self::LoseEars(p),
            Self::BlackHole(p),
        ]
    }

    fn of_flight(p: usize, f: usize) -> [Self; 7] {
        [
            Self::Read(p, f),
            Self::LoseRead(p, f),
            Self::Revalidate(p, f),
            Self::Judge(p, f),
            Self::Ensure(p, f),
            Self::Load(p, f),
            Self::Land(p, f),
        ]
    }

    fn of_event(p: usize, event: usize) -> [Self; 4] {
        [
            Self::Write(p, event),
            Self::Hold(p, event),
            Self::Mark(p, event),
            Self::Vanish(p, event),
        ]
    }

    fn of_job(p: usize, j: usize) -> [Self; 5] {
        [
            Self::Bump(p, j),
            Self::Acknowledge(p, j),
            Self::Fail(p, j),
            Self::Overdue(p, j),
            Self::Retry(p, j),
        ]
    }

    /// Whether anything in a budget allows it. Asking for what never happens costs time.
    fn can_be(self, left: &Budget) -> bool {
        match self {
            Self::Tick | Self::Ping(_) => left.ticks > 0,
            Self::Evict(_) => left.evictions > 0,
            Self::Expire(_) | Self::Die(_) => left.deaths > 0,
            Self::Copy => left.copies > 0,
            Self::FailOver => left.failovers > 0,
            Self::Split => left.splits > 0,
            Self::Outage => left.outages > 0,
            Self::Look(_) | Self::LookAgain(_) => left.looks > 0,
            Self::Put(_) | Self::PutLands(_) => left.puts > 0,
            Self::Hold(..) | Self::Cancel(_) => left.holds > 0,
            Self::Mark(..) => left.marks > 0,
            Self::Vanish(..) | Self::CommitLate(_) => left.vanishings > 0,
            Self::LoseRead(..) => left.lost_reads > 0,
            Self::Overdue(..) => left.lost_bumps > 0,
            Self::LoseConnection(_) => left.lost_connections > 0,
            Self::BlackHole(_) => left.black_holes > 0,
            Self::Connect(_) | Self::Beat(_) => {
                left.lost_connections + left.failovers + left.outages > 0
            }
            Self::Subscribe(_) | Self::Connected(_) | Self::LoseEars(_) => {
                left.lost_ears + left.failovers + left.outages + left.black_holes > 0
            }
            _ => true,
        }
    }
}

impl World {
    /// The state after something has happened; nothing where it cannot.
    pub(super) fn after(&self, scenario: &Scenario, next: Move) -> Option<Self> {
        match next {
            Move::Tick => self.tick(),
            Move::Evict(tag) => self.evict(scenario, tag),
            Move::Expire(tag) => self.expire(tag),
            Move::Copy => self.copy(),
            Move::FailOver => self.fail_over(true),
            Move::Split => self.fail_over(false),
            Move::Outage => self.outage(),
            Move::Arrive(p) => self.arrive(scenario, p),
            Move::Capture(p) => self.capture(p),
            Move::Join(p) => self.join(p),
            Move::Read(p, f) => self.read(p, f),
            Move::LoseRead(p, f) => self.lose_read(p, f),
            Move::Revalidate(p, f) => self.revalidate(p, f),
            Move::Judge(p, f) => self.judge(p, f),
            Move::Ensure(p, f) => self.ensure(p, f),
            Move::Load(p, f) => self.load(p, f),
            Move::Land(p, f) => self.land(p, f),
            Move::Fill(p) => self.fill(p),
            Move::Look(p) => self.look(p),
            Move::LookAgain(p) => self.look_again(p),
            Move::Put(p) => self.put(p),
            Move::PutLands(p) => self.put_lands(p),
            Move::Write(p, event) => self.write(scenario, p, event),
            Move::Hold(p, event) => self.hold(scenario, p, event),
            Move::Cancel(p) => self.cancel(p),
            Move::Mark(p, event) => self.mark(scenario, p, event),
            Move::Vanish(p, event) => self.vanish(scenario, p, event),
            Move::CommitLate(p) => self.commit_late(p),
            Move::Emit(p) => self.emit(p),
            Move::Die(p) => self.die(p),
            _ => self.after_sending(next),
        }
    }

    fn after_sending(&self, next: Move) -> Option<Self> {
        match next {
            Move::Bump(p, j) => self.bump(p, j),
            Move::Acknowledge(p, j) => self.acknowledge(p, j),
            Move::Fail(p, j) => self.fail(p, j),
            Move::Overdue(p, j) => self.overdue(p, j),
            Move::Retry(p, j) => self.retry(p, j),
            Move::LoseConnection(p) => self.lose_connection(p),
            Move::Connect(p) => self.connect(p),
            Move::Subscribe(p) => self.subscribe(p),
            Move::Connected(p) => self.connected(p),
            Move::Beat(p) => self.beat(p),
            Move::Ping(p) => self.ping(p),
            Move::Hear(p) => self.hear(p),
            Move::LoseEars(p) => self.lose_ears(p),
            Move::BlackHole(p) => self.black_hole(p),
            _ => None,
        }
    }
}
