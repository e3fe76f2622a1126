//! Carries out the commands, watches what stays up beside them, and stops it in the end.

use crate::args::RunArgs;
use crate::chaos::{self, Chaos};
use crate::job::Job;
use crate::memory::PeakMemory;
use crate::screen::Screen;
use crate::script::{self, Action, Step};
use crate::stage::Stage;
use migration::error::{Error, ErrorKind, Result};
use rustix::process::Signal;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks at what runs.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A command that runs longer than this hangs.
const STEP_MAX: Duration = Duration::from_secs(300);
/// A process that was asked to stop has this long to finish what it has in hand.
const STOP_MAX: Duration = Duration::from_secs(60);
/// A command that the chaos has killed this often is not going to end.
const ATTEMPTS_MAX: u32 = 100;

/// A playbook under way.
#[derive(Debug)]
struct Runner {
    screen: Arc<Screen>,
    stage: Stage,
    jobs: Vec<Job>,
    chaos: Option<Chaos>,
    next_kill: Instant,
    kills: u64,
    peak: PeakMemory,
}

/// Runs a playbook.
pub(crate) async fn run(args: &RunArgs) -> Result<()> {
    let text = std::fs::read_to_string(&args.readme).map_err(|error| {
        Error::new(ErrorKind::Plan, "read playbook")
            .with("file", args.readme.display())
            .because(error)
    })?;
    let steps = script::parse(&text)?;
    let screen = Arc::new(Screen::new());
    let seed = args.seed.unwrap_or_else(rand::random);
    if args.chaos {
        screen
            .say(&format!("chaos: kills a phase every second; random numbers from --seed {seed}"));
    }
    let mut runner = Runner {
        stage: Stage::set(&args.readme, args.dir.as_deref(), args.bin_dir.as_deref())?,
        screen,
        jobs: Vec::new(),
        chaos: args.chaos.then(|| Chaos::new(seed)),
        next_kill: Instant::now() + chaos::EVERY,
        kills: 0,
        peak: PeakMemory::default(),
    };
    let since = Instant::now();
    let ended = tokio::select! {
        ended = runner.carry_out(&steps) => ended,
        // Also where the handler cannot be installed: a run that nobody can stop does not begin.
        _ = tokio::signal::ctrl_c() => {
            Err(Error::new(ErrorKind::Failed, "run playbook: interrupted"))
        }
    };
    let stopped = runner.stop_all().await;
    ended.and(stopped)?;
    let took = since.elapsed();
    runner.sum_up(took);
    args.memory_max.map_or(Ok(()), |most| runner.peak.check(most))?;
    match args.time_max {
        // At the end, so that what was shown on the way says where the time went.
        Some(most) if took > most => Err(Error::new(ErrorKind::TimedOut, "run playbook in time")
            .with("seconds", format!("{:.1}", took.as_secs_f64()))
            .with("most", format!("{:.1}", most.as_secs_f64()))
            .hint("is the machine busy with something else?")),
        _ => Ok(()),
    }
}

impl Runner {
    async fn carry_out(&mut self, steps: &[Step]) -> Result<()> {
        for step in steps {
            self.screen.command(&step.text);
            let done = match &step.action {
                Action::Foreground { argv, exits } => self.foreground(argv, *exits).await,
                Action::Background { argv } => {
                    Job::background(&self.stage, argv, &self.screen).map(|job| self.jobs.push(job))
                }
                Action::Until { argv, pause } => self.until(argv, *pause).await,
                Action::Kill { job } => self.kill(job),
                Action::Wait { job } => self.wait(job).await,
                Action::Export { name, value } => self.stage.export(name, value),
            };
            done.map_err(|error| error.with("line", step.line))?;
        }
        Ok(())
    }

    /// Runs a command to its end. One that the chaos killed is typed again, as a person would.
    async fn foreground(&mut self, argv: &[String], exits: i32) -> Result<()> {
        let since = Instant::now();
        for _ in 0..ATTEMPTS_MAX {
            let mut job = Job::foreground(&self.stage, argv)?;
            self.screen.foreground(true);
            let ended = self.attend(&mut job, since).await;
            self.screen.foreground(false);
            let status = ended?;
            if !job.was_killed(status) {
                return job.expect(status, exits);
            }
        }
        Err(Error::new(ErrorKind::TimedOut, "run command: killed too often")
            .with("attempts", ATTEMPTS_MAX))
    }

    /// Runs a command again until it succeeds, as a shell's loop would.
    async fn until(&mut self, argv: &[String], pause: Duration) -> Result<()> {
        let since = Instant::now();
        loop {
            let mut job = Job::foreground(&self.stage, argv)?;
            self.screen.foreground(true);
            let ended = self.attend(&mut job, since).await;
            self.screen.foreground(false);
            if ended?.success() {
                return Ok(());
            }
            if since.elapsed() + pause > STEP_MAX {
                return Err(late("repeat command until it succeeds", &job.label, STEP_MAX));
            }
            self.pause(pause).await?;
        }
    }

    /// Lets time pass. The chaos goes on meanwhile: its kills must not gather for the next command.
    async fn pause(&mut self, pause: Duration) -> Result<()> {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            self.look(None)?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Looks after everything until the command in the foreground ends.
    async fn attend(&mut self, job: &mut Job, since: Instant) -> Result<ExitStatus> {
        loop {
            if let Some(status) = job.ended()? {
                return Ok(status);
            }
            if since.elapsed() > STEP_MAX {
                return Err(late("run command", &job.label, STEP_MAX));
            }
            self.look(Some(job))?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn kill(&mut self, program: &str) -> Result<()> {
        let job = self.jobs.iter_mut().find(|job| job.program == program);
        let job = job.ok_or_else(|| no_such_job(program))?;
        job.is_stopping = true;
        // Should it be dead at this moment, it is not started again.
        job.signal(Signal::TERM)
    }

    async fn wait(&mut self, program: &str) -> Result<()> {
        let since = Instant::now();
        loop {
            let place = self.jobs.iter().position(|job| job.program == program);
            let place = place.ok_or_else(|| no_such_job(program))?;
            if self.jobs[place].ended()?.is_some() {
                return self.jobs.remove(place).finish().await;
            }
            if since.elapsed() > STOP_MAX {
                return Err(late("wait for process", program, STOP_MAX));
            }
            self.look(None)?;
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// One look at everything that runs: memory, processes that ended, and whose turn it is to die.
    fn look(&mut self, foreground: Option<&mut Job>) -> Result<()> {
        for job in self.jobs.iter().chain(foreground.as_deref()) {
            if let Some(pid) = job.pid() {
                self.peak.look(&job.label, pid);
            }
        }
        self.tend_background()?;
        if Instant::now() < self.next_kill {
            return Ok(());
        }
        self.next_kill += chaos::EVERY;
        self.kill_any(foreground)
    }

    /// Starts again what the chaos has killed. Anything else that ends unasked ends the run.
    fn tend_background(&mut self) -> Result<()> {
        for job in self.jobs.iter_mut().filter(|job| !job.is_stopping) {
            let Some(status) = job.ended()? else { continue };
            if !job.was_killed(status) {
                return Err(Error::new(ErrorKind::Failed, "look at process: it ended by itself")
                    .with("command", &job.label)
                    .with("with", status));
            }
            job.start_again(&self.stage, &self.screen)?;
        }
        Ok(())
    }

    fn kill_any(&mut self, foreground: Option<&mut Job>) -> Result<()> {
        let Some(chaos) = &mut self.chaos else { return Ok(()) };
        let mut alive: Vec<&mut Job> = self.jobs.iter_mut().chain(foreground).collect();
        alive.retain(|job| !job.is_stopping && !job.is_victim);
        let programs: Vec<&str> = alive.iter().map(|job| job.program.as_str()).collect();
        let Some(victim) = chaos.pick(&programs).and_then(|place| alive.get_mut(place)) else {
            return Ok(());
        };
        victim.is_victim = true;
        self.kills += 1;
        let pid = victim.pid().unwrap_or(0);
        self.screen.background("chaos", &format!("kill -9 {pid} ({})", victim.label));
        victim.signal(Signal::KILL)
    }

    /// Stops what is still up, the last one first.
    async fn stop_all(&mut self) -> Result<()> {
        let mut stopped = Ok(());
        while let Some(job) = self.jobs.pop() {
            let label = job.label.clone();
            let ended = match job.signal(Signal::TERM) {
                Ok(()) => tokio::time::timeout(STOP_MAX, job.finish()).await,
                Err(error) => Ok(Err(error)),
            };
            stopped =
                stopped.and(ended.unwrap_or_else(|_| Err(late("stop process", &label, STOP_MAX))));
        }
        stopped
    }

    fn sum_up(&self, elapsed: Duration) {
        self.screen.say("\npeak memory");
        for line in self.peak.lines() {
            self.screen.say(&format!("  {line}"));
        }
        let kills =
            if self.chaos.is_some() { format!(", {} kills", self.kills) } else { String::new() };
        self.screen.say(&format!("playbook done in {:.0} s{kills}", elapsed.as_secs_f64()));
    }
}

fn late(operation: &str, label: &str, most: Duration) -> Error {
    Error::new(ErrorKind::TimedOut, operation)
        .with("command", label)
        .with("seconds", most.as_secs())
}

fn no_such_job(program: &str) -> Error {
    Error::new(ErrorKind::Plan, "find background process").with("program", program)
}
