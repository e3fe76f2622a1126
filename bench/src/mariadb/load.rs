//! What the server brings, and the usual tool: neither guards against live writes. The files that
//! they load are made once and do not count, though somebody has to read the source for them.

use crate::bed::{Bed, DATABASE, Filled};
use crate::child::{self, Cost, Failure};
use crate::side::{CONNECTIONS, Side};
use servers::MariaDb;
use std::path::Path;

/// `LOAD DATA LOCAL INFILE`, on one connection, which is all that it can use.
pub(super) struct LoadData<'a> {
    bed: &'a Bed<MariaDb, MariaDb>,
    filled: &'a Filled<'a>,
    dir: tempfile::TempDir,
}

impl<'a> LoadData<'a> {
    pub(super) const NAME: &'static str = "LOAD DATA";

    /// Writes the file.
    pub(super) fn new(
        bed: &'a Bed<MariaDb, MariaDb>,
        filled: &'a Filled<'a>,
    ) -> Result<Self, Failure> {
        let dir = tempfile::tempdir()?;
        let written = bed.source.directory().join("tmp").join("load.tsv");
        bed.source.sql(&format!(
            "SELECT * FROM {DATABASE}.{} ORDER BY id INTO OUTFILE '{}'",
            filled.table.name,
            written.display()
        ))?;
        // Not renamed: it may lie in another file system.
        std::fs::copy(&written, dir.path().join("load.tsv"))?;
        std::fs::remove_file(written)?;
        Ok(Self { bed, filled, dir })
    }
}

impl Side for LoadData<'_> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn prepare(&self) -> Result<(), Failure> {
        self.filled.empty_target()
    }

    fn run(&self) -> Result<Cost, Failure> {
        let load = format!(
            "LOAD DATA LOCAL INFILE '{}' INTO TABLE {}",
            self.dir.path().join("load.tsv").display(),
            self.filled.table.name
        );
        let socket = format!("--socket={}", self.bed.target.socket().display());
        let args =
            ["--no-defaults", "--user=root", "--local-infile=1", &socket, "-e", &load, DATABASE];
        child::run(Path::new("mariadb"), &args.map(str::to_owned))
    }

    fn check(&self) -> Result<(), Failure> {
        self.filled.expect_equal()
    }
}

/// `myloader`, of a dump that `mydumper` has made.
pub(super) struct Myloader<'a> {
    bed: &'a Bed<MariaDb, MariaDb>,
    filled: &'a Filled<'a>,
    dir: tempfile::TempDir,
}

impl<'a> Myloader<'a> {
    pub(super) const NAME: &'static str = "myloader";

    /// Makes the dump.
    pub(super) fn new(
        bed: &'a Bed<MariaDb, MariaDb>,
        filled: &'a Filled<'a>,
    ) -> Result<Self, Failure> {
        servers::install(&[servers::Kind::Mydumper])?;
        let dir = tempfile::tempdir()?;
        let one = Self { bed, filled, dir };
        // With `-B bench -T bench.narrow` it dumps nothing, and says that all is well.
        let args = ["-B", DATABASE, "-T", filled.table.name, "-r", "100000", "-t", "2"];
        one.tool("mydumper", bed.source.socket(), &args)?;
        Ok(one)
    }

    fn tool(&self, program: &str, socket: &Path, args: &[&str]) -> Result<Cost, Failure> {
        let folder = match program {
            "mydumper" => "-o",
            _ => "-d",
        };
        let (dir, socket) = (self.dir.path().display().to_string(), socket.display().to_string());
        let own = ["-u", "root", "-S", &socket, folder, &dir];
        let args: Vec<String> = own.iter().chain(args).map(|arg| (*arg).to_owned()).collect();
        child::run(Path::new(program), &args)
    }
}

impl Side for Myloader<'_> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn prepare(&self) -> Result<(), Failure> {
        self.filled.empty_target()
    }

    fn run(&self) -> Result<Cost, Failure> {
        let threads = CONNECTIONS.to_string();
        // It writes no binary log unless told to: everybody else does.
        self.tool(
            "myloader",
            self.bed.target.socket(),
            &["-B", DATABASE, "-o", "-e", "-t", &threads],
        )
    }

    fn check(&self) -> Result<(), Failure> {
        self.filled.expect_equal()
    }
}
