//! The service itself: one thread writes, one acknowledges, two read, one mirrors.

use crate::acknowledge::{self, Acknowledger};
use crate::args::RunArgs;
use crate::clock::Clock;
use crate::crew::Crew;
use crate::files::FlightDir;
use crate::judge;
use crate::list::ListReader;
use crate::mirror::{self, Mirror};
use crate::oracle::{self, OracleLine, Recovered};
use crate::pick::{Lists, Picker};
use crate::read_log::ReadLog;
use crate::readers::Readers;
use crate::say;
use crate::schedule::Schedule;
use crate::store::{Place, Stores};
use crate::tally::{StatusLine, Tally};
use crate::traffic::{Change, Traffic};
use crate::writer::Writer;
use cutover::Reader;
use migration::checkpoint;
use migration::error::{Error, ErrorKind, Result};
use migration::plan::Plan;
use migration::shutdown::Shutdown;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Threads that read lists.
const READERS: u32 = 2;
/// Between two status lines.
const STATUS_EVERY: Duration = Duration::from_secs(5);

/// What all threads share.
#[derive(Debug, Clone)]
struct Shared {
    dir: FlightDir,
    stores: Stores,
    clock: Clock,
    seed: u64,
    switch: Arc<Reader>,
    tally: Arc<Tally>,
    log: Arc<ReadLog>,
}

/// Serves until SIGTERM, then makes everything durable.
pub(crate) async fn serve(args: RunArgs) -> Result<()> {
    let mut crew = Crew::new(Shutdown::new());
    let _signals = crew.shutdown().watch_signals()?;
    let dir = args.flight.dir();
    let plan = Plan::load(&args.flight.config)?;
    let shared = Shared {
        clock: Clock::default(),
        seed: args.seed.unwrap_or_else(rand::random),
        stores: Stores::of(&plan, &dir)?,
        switch: Arc::new(open_switch(&plan).await?),
        tally: Arc::new(Tally::default()),
        log: Arc::new(ReadLog::open(&dir)?),
        dir,
    };
    // Sessions are opened here, where the runtime is, and used by the threads.
    let started = tokio::task::block_in_place(|| start(&args, &shared, &mut crew));
    if started.is_err() {
        crew.shutdown().begin();
    } else {
        report_until_shutdown(&shared, &crew.shutdown()).await;
    }
    let joined = tokio::task::block_in_place(|| crew.join());
    shared.log.sync()?;
    shared.switch.shutdown();
    started.and(joined)?;
    say(&format!("stopped: {} changes acknowledged", shared.tally.acknowledged.get()));
    Ok(())
}

fn start(args: &RunArgs, shared: &Shared, crew: &mut Crew) -> Result<()> {
    let lists = start_writes(args, shared, crew)?;
    start_reads(args, shared, crew, &lists)
}

fn start_writes(args: &RunArgs, shared: &Shared, crew: &mut Crew) -> Result<Arc<Lists>> {
    let is_file = matches!(shared.stores.source, Place::File(_));
    let recovered = if is_file {
        oracle::recover(&shared.dir, &shared.dir.open_source()?, shared.clock.now())?
    } else {
        resume(args, shared)?
    };
    if recovered.found > 0 {
        say(&format!("{} changes were committed but not acknowledged", recovered.found));
    }
    let writer =
        Writer::new(shared.stores.open_source()?, shared.clock.clone(), recovered.last_id)?;
    let lists = Arc::new(Lists::new(writer.graph()));
    let (edges, seed) = (writer.graph().len(), shared.seed);
    say(&format!("serving {edges} edges; random numbers from --seed {seed}"));
    let (committed, to_acknowledge) = sync_channel(acknowledge::WAITING_MAX);
    let acknowledger = Acknowledger {
        wal: is_file.then(|| shared.dir.source_wal()),
        oracle: recovered.writer,
        tally: Arc::clone(&shared.tally),
    };
    let writes = Writes {
        writer,
        traffic: Traffic::new(seed),
        lists: Arc::clone(&lists),
        tally: Arc::clone(&shared.tally),
        committed,
    };
    let (schedule, shutdown) = (Schedule::new(args.changes), crew.shutdown());
    crew.add("write", move || writes.run(schedule, &shutdown))?;
    crew.add("acknowledge", move || acknowledger.run(&to_acknowledge))?;
    Ok(lists)
}

/// Goes on where another service stopped, on a server.
fn resume(args: &RunArgs, shared: &Shared) -> Result<Recovered> {
    let Shared { dir, stores, .. } = shared;
    let recovered = oracle::open(dir)?;
    let is_new = recovered.last_id == 0;
    if is_new || judge::source_is_as_acknowledged(dir, stores, &args.data.data())? {
        return Ok(recovered);
    }
    Err(Error::new(ErrorKind::Refused, "serve: the source is not as it was acknowledged")
        .hint("a service was killed before it had acknowledged everything: begin a flight anew"))
}

fn start_reads(args: &RunArgs, shared: &Shared, crew: &mut Crew, lists: &Arc<Lists>) -> Result<()> {
    let (to_mirror, mirrored) = sync_channel(mirror::WAITING_MAX);
    for number in 0..READERS {
        let seed = shared.seed ^ u64::from(number + 1);
        let readers = Readers {
            lists: ListReader::open(&shared.stores)?,
            picker: Picker::new(seed, Arc::clone(lists), &args.watch),
            switch: Arc::clone(&shared.switch),
            log: Arc::clone(&shared.log),
            tally: Arc::clone(&shared.tally),
            clock: shared.clock.clone(),
            mirror: to_mirror.clone(),
        };
        let (schedule, shutdown) = (Schedule::new(args.lists / READERS), crew.shutdown());
        crew.add("read", move || readers.run(schedule, &shutdown))?;
    }
    let mirror = Mirror::new(
        ListReader::open(&shared.stores)?,
        Arc::clone(&shared.switch),
        Arc::clone(&shared.log),
        Arc::clone(&shared.tally),
        shared.clock.clone(),
    );
    crew.add("mirror", move || mirror.run(&mirrored))
}

/// The thread that writes.
#[derive(Debug)]
struct Writes {
    writer: Writer,
    traffic: Traffic,
    lists: Arc<Lists>,
    tally: Arc<Tally>,
    committed: SyncSender<OracleLine>,
}

impl Writes {
    fn run(mut self, mut schedule: Schedule, shutdown: &Shutdown) -> Result<()> {
        while !shutdown.has_begun() {
            for _ in 0..schedule.due() {
                let Some(change) = self.traffic.next(self.writer.graph()) else { return Ok(()) };
                let line = self.writer.commit(change)?;
                self.tally.committed.add(1);
                let (Change::Insert(key, _) | Change::Update(key, _) | Change::Delete(key)) =
                    change;
                self.lists.changed(&self.writer.graph().name(key.0));
                if self.committed.send(line).is_err() {
                    // The thread that acknowledges has failed, and says why.
                    return Ok(());
                }
            }
            schedule.pause();
        }
        Ok(())
    }
}

/// The read switch. It needs no phase to have begun: until there is a stage, the source answers.
async fn open_switch(plan: &Plan) -> Result<Reader> {
    let checkpoint = checkpoint::open(&plan.checkpoint, &plan.id).await?;
    Reader::open(plan, checkpoint)
}

async fn report_until_shutdown(shared: &Shared, shutdown: &Shutdown) {
    let mut line = StatusLine::default();
    let mut since = Instant::now();
    while shutdown.sleep(STATUS_EVERY).await {
        let elapsed = since.elapsed();
        since = Instant::now();
        say(&line.next(&shared.tally, elapsed, &shared.switch.stage().name()));
    }
}
