//! The writer: commits batches of writes, each exactly once or not at all.
//!
//! One per API server. It has a connection of its own, and a row in `store.writer` whose
//! epoch fences what an earlier life may still have in flight. A statement whose outcome is
//! not known (the connection broke) is settled by registering again: that waits for the
//! statement if it is still running, shuts it out if it is late, and the row then says
//! whether its sequence was committed. It holds no state that a new one, opened with the
//! same id, would miss.

use crate::{
    Batch, Committed, Database, Span, StoreError,
    batch::rounds,
    database::check_incarnation,
    error::Fault,
    statement::{self, Answer, Op},
};
use podium_machinery::state::{Event, Write, WriteError};
use sqlx::{PgConnection, Row, types::Uuid};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// Longest wait for one statement; after that its outcome counts as unknown.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time to settle an unknown outcome, PostgreSQL's crash recovery included.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest wait for a connection when nothing is in doubt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between attempts to connect while settling.
const SETTLE_PAUSE: Duration = Duration::from_millis(50);
/// Attempts of a statement that the database asks to repeat.
const MAX_ATTEMPTS: usize = 5;
/// The watermark is looked at this often.
const SPACE_CHECK: Duration = Duration::from_secs(1);

/// Always the same plan, by primary key, whatever the statistics say of an empty or young table.
const SESSION: &str = "SET synchronous_commit = on; SET lock_timeout = '5s'; SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off";

/// Commits writes. See the module's documentation.
pub struct Writer {
    db: Database,
    id: Uuid,
    /// This life of the writer: only it may register again without seizing the id.
    owner: Uuid,
    link: Option<Link>,
    space_checked: Option<Instant>,
}

/// A registered connection.
struct Link {
    conn: PgConnection,
    epoch: i64,
    /// Newest committed sequence, and the revision before it.
    seq: i64,
    base: i64,
}

/// How the writes of one statement ended.
enum Ended {
    Answer(Answer),
    BadValue(String),
    /// Nothing was done.
    Unavailable(StoreError),
    /// Something may have been done.
    Unknown(StoreError),
}

impl Writer {
    /// Registers the writer `id`. Any other writer with this id is fenced from now on.
    ///
    /// # Errors
    /// What the database refuses, or its silence.
    pub async fn open(db: &Database, id: Uuid) -> Result<Self, StoreError> {
        let owner = Uuid::new_v4();
        let link = register(db, id, owner, true, STATEMENT_TIMEOUT).await?;
        Ok(Self { db: db.clone(), id, owner, link: Some(link), space_checked: None })
    }

    /// Commits writes in their order, in as few statements as that allows.
    ///
    /// Not cancel-safe: after dropping the future, open a new writer with the same id.
    /// With [`StoreError::Fenced`] in `fault` this writer is of no more use.
    pub async fn commit(&mut self, writes: &[Write]) -> Batch {
        let mut batch = Batch {
            outcomes: vec![Err(WriteError::Unavailable); writes.len()],
            events: vec![],
            spans: vec![],
            fault: None,
        };
        if let Err(low) = self.check_space() {
            batch.fault = Some(low);
            return batch;
        }
        let mut ops = Vec::with_capacity(writes.len());
        for (index, write) in writes.iter().enumerate() {
            let all = Op::all(write, self.db.sealing());
            if let Err(refused) = &all {
                batch.outcomes[index] = Err(refused.clone());
            }
            ops.push(all.ok());
        }
        let mut queue: VecDeque<Vec<usize>> = rounds(writes).into();
        while let Some(mut round) = queue.pop_front() {
            round.retain(|i| ops[*i].is_some());
            let chosen: Vec<&Op<'_>> = round.iter().filter_map(|i| ops[*i].as_ref()).flatten().collect();
            if chosen.is_empty() {
                continue;
            }
            match self.statement(&chosen).await {
                Ended::Answer(answer) => {
                    let sizes: Vec<_> = round.iter().map(|i| (*i, ops[*i].as_ref().map_or(0, Vec::len))).collect();
                    self.take(&mut batch, &sizes, &chosen, &answer).await;
                }
                Ended::BadValue(why) if round.len() == 1 => batch.outcomes[round[0]] = Err(WriteError::Refused(why)),
                Ended::BadValue(_) => {
                    let rest = round.split_off(round.len() / 2);
                    queue.push_front(rest);
                    queue.push_front(round);
                }
                Ended::Unavailable(error) => {
                    batch.fault = Some(error);
                    break;
                }
                Ended::Unknown(error) => {
                    for index in round {
                        batch.outcomes[index] = Err(WriteError::Unknown);
                    }
                    batch.fault = Some(error);
                    break;
                }
            }
        }
        if batch.fault.as_ref().is_some_and(|fault| !matches!(fault, StoreError::Fenced)) {
            self.db.set_ready(false);
        }
        batch
    }

    fn check_space(&mut self) -> Result<(), StoreError> {
        let Some(mark) = self.db.watermark() else { return Ok(()) };
        if self.space_checked.is_some_and(|at| at.elapsed() < SPACE_CHECK) {
            return Ok(());
        }
        mark.check()?;
        self.space_checked = Some(Instant::now());
        Ok(())
    }

    /// Files the answer of one statement into the batch. `round`: the writes, and how many rows each has.
    async fn take(&mut self, batch: &mut Batch, round: &[(usize, usize)], ops: &[&Op<'_>], answer: &Answer) {
        batch.spans.push(Span { base: answer.base.unsigned_abs(), newest: answer.newest.unsigned_abs() });
        let mut done = answer.done.clone();
        done.sort_unstable();
        let mut refused = Vec::new();
        let mut rows = (1..).zip(ops);
        for (index, size) in round {
            // A write's own row is the last of its rows; those before it are its charges.
            let mut outcome = Err(WriteError::Overtaken);
            let mut charged = true;
            for (at, (position, op)) in rows.by_ref().take(*size).enumerate() {
                let own = at + 1 == *size;
                if done.binary_search(&position).is_ok() {
                    let revision = (answer.base + position).unsigned_abs();
                    let object = Arc::new(op.object(revision));
                    let event = Event::new(op.change(), revision, Arc::clone(&object), None);
                    batch.events.push(Committed { resource: op.kind.resource, event });
                    outcome = if own { Ok(object) } else { outcome };
                } else if !own {
                    charged = false;
                } else if charged {
                    refused.push((*index, *op));
                }
            }
            batch.outcomes[*index] = outcome;
        }
        if refused.is_empty() {
            return;
        }
        let (indices, ops): (Vec<_>, Vec<_>) = refused.into_iter().unzip();
        let reasons = match &mut self.link {
            Some(link) => match timeout(STATEMENT_TIMEOUT, statement::reasons(&mut link.conn, &ops)).await {
                Ok(reasons) => reasons,
                Err(_) => {
                    // The connection is in the middle of an answer: of no more use.
                    self.link = None;
                    vec![WriteError::Conflict; ops.len()]
                }
            },
            None => vec![WriteError::Conflict; ops.len()],
        };
        for (index, reason) in indices.into_iter().zip(reasons) {
            batch.outcomes[index] = Err(reason);
        }
    }

    /// Runs one statement until it is known how it ended, or until settling takes too long.
    async fn statement(&mut self, ops: &[&Op<'_>]) -> Ended {
        // Since when, and with which sequence, a statement may have been committed unheard.
        let mut doubt: Option<(Instant, i64)> = None;
        let mut attempts = 0;
        loop {
            let link = match &mut self.link {
                Some(link) => link,
                None => match self.relink(doubt.map(|(since, _)| since)).await {
                    Err(error) if doubt.is_some() => return Ended::Unknown(error),
                    Err(error) => return Ended::Unavailable(error),
                    Ok(fresh) => self.link.insert(fresh),
                },
            };
            if doubt.is_some_and(|(_, seq)| link.seq >= seq) {
                // Registering shut out everything in flight, so this is final: it was committed.
                match timeout(STATEMENT_TIMEOUT, statement::recall(&mut link.conn, link.base, ops.len())).await {
                    Ok(Ok(answer)) => return Ended::Answer(answer),
                    _ => self.link = None,
                }
                continue;
            }
            let seq = link.seq + 1;
            let ran = timeout(STATEMENT_TIMEOUT, statement::run(&mut link.conn, (self.id, link.epoch, seq), ops)).await;
            let error = match ran {
                Ok(Ok(Some(answer))) => {
                    (link.seq, link.base) = (seq, answer.base);
                    self.db.set_ready(true);
                    return Ended::Answer(answer);
                }
                Ok(Ok(None)) => {
                    self.link = None;
                    return Ended::Unavailable(StoreError::Fenced);
                }
                Ok(Err(error)) => error,
                Err(_) => sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()),
            };
            let again = attempts < MAX_ATTEMPTS;
            attempts += 1;
            match Fault::of(&error) {
                Fault::BadValue(why) => return Ended::BadValue(why),
                Fault::Again if again => {}
                Fault::NoPartition if again => {
                    if let Err(error) = self.db.add_partitions().await {
                        return Ended::Unavailable(error);
                    }
                }
                Fault::Again | Fault::NoPartition | Fault::Refused => return Ended::Unavailable(error.into()),
                Fault::Unknown => {
                    tracing::warn!(%error, "the outcome of a batch is not known; settling");
                    self.link = None;
                    let since = doubt.map_or_else(Instant::now, |(since, _)| since);
                    doubt = Some((since, seq));
                }
            }
        }
    }

    /// Registers again: one attempt where nothing is in doubt, else until [`SETTLE_TIMEOUT`] after `since`.
    async fn relink(&self, since: Option<Instant>) -> Result<Link, StoreError> {
        let Some(since) = since else { return register(&self.db, self.id, self.owner, false, CONNECT_TIMEOUT).await };
        let mut last = StoreError::Timeout(SETTLE_TIMEOUT);
        while let Some(left) = SETTLE_TIMEOUT.checked_sub(since.elapsed()) {
            match register(&self.db, self.id, self.owner, false, left.min(STATEMENT_TIMEOUT)).await {
                Err(StoreError::Fenced) => return Err(StoreError::Fenced),
                Err(error) => last = error,
                link => return link,
            }
            sleep(SETTLE_PAUSE).await;
        }
        Err(last)
    }
}

/// Connects and takes the next epoch. Waits for a statement of this writer that is still
/// running, and shuts out those that come later. Unless `seize`, only the `owner` may.
async fn register(db: &Database, id: Uuid, owner: Uuid, seize: bool, within: Duration) -> Result<Link, StoreError> {
    let registered = timeout(within, async {
        let mut conn = db.dedicated().await?;
        sqlx::raw_sql(SESSION).execute(&mut conn).await?;
        check_incarnation(&mut conn).await?;
        let statement = if seize {
            "INSERT INTO store.writer AS w (id, epoch, owner) VALUES ($1, 1, $2)
             ON CONFLICT (id) DO UPDATE SET epoch = w.epoch + 1, owner = $2, seen = now() RETURNING epoch, seq, base"
        } else {
            "UPDATE store.writer SET epoch = epoch + 1, seen = now() WHERE id = $1 AND owner = $2
             RETURNING epoch, seq, base"
        };
        let row = sqlx::query(statement).bind(id).bind(owner).fetch_optional(&mut conn).await?;
        let row = row.ok_or(StoreError::Fenced)?;
        Ok(Link { epoch: row.try_get("epoch")?, seq: row.try_get("seq")?, base: row.try_get("base")?, conn })
    });
    registered.await.map_err(|_| StoreError::Timeout(within))?
}
