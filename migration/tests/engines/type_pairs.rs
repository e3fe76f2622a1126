//! Every type from every engine to every engine: exact both ways, or refused.
//!
//! What is refused passes once the plan names a way: `types` takes a source column for another
//! type, `type` a target column, and `loses` names what may be lost.

mod mysql_to_mysql;
mod mysql_to_postgres;
mod postgres_to_mysql;
mod postgres_to_postgres;
mod side;

use migration::batch::Batch;
use migration::error::{Chain, Error, ErrorKind};
use migration::key::Key;
use migration::layout::Layout;
use migration::plan::{Plan, TablePlan};
use migration::store::Access;
use migration::value::Value;
use side::{Kind, Side};
use std::path::Path;
use std::sync::Arc;

/// What the plan says of the column: the type of the source's, the type of the target's, and what
/// it may lose.
type Stated = (Option<&'static str>, Option<&'static str>, Option<&'static str>);

/// What becomes of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Then {
    /// The target's server prints it so (bytes in hexadecimal), and from there it comes back as it
    /// was.
    Is(&'static str),
    /// It is refused with these words, and nothing is written.
    No(&'static str),
}

/// A column of the source, what becomes of it, and literals with what becomes of each.
pub(crate) struct Case {
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) stated: Stated,
    pub(crate) values: &'static [(&'static str, Then)],
}

/// Columns that the plan says nothing of.
pub(crate) const fn case(
    from: &'static str,
    to: &'static str,
    values: &'static [(&'static str, Then)],
) -> Case {
    Case { from, to, stated: (None, None, None), values }
}

impl Case {
    /// The same where the plan states the type of the source column.
    pub(crate) const fn taken_for(mut self, stated: &'static str) -> Self {
        self.stated.0 = Some(stated);
        self
    }

    /// The same where the plan states the type of the target column.
    pub(crate) const fn kept_as(mut self, stated: &'static str) -> Self {
        self.stated.1 = Some(stated);
        self
    }

    /// The same where the plan names a loss.
    pub(crate) const fn losing(mut self, loss: &'static str) -> Self {
        self.stated.2 = Some(loss);
        self
    }
}

/// Columns that no plan may map without a word, and what is said of them.
pub(crate) type Unfit = (&'static str, &'static str, &'static str);

/// The plan of one table `f` that becomes `t`, by (id).
fn plan(number: usize, stated: Stated) -> TablePlan {
    let more = |key: &str, value: Option<&str>| match value {
        Some(value) => format!(", {key} = \"{value}\""),
        None => String::new(),
    };
    let text = include_str!("../plan/good.toml");
    let head = text.split("[[table]]").next().unwrap();
    let table = format!(
        "[[table]]\nname = \"f_{number}\"\nkey = [\"id\"]\ntypes = {{ {} }}\n\
         [[table.into]]\nname = \"t_{number}\"\nkey = [\"id\"]\n\
         shard = {{ by = \"id\", function = \"crc32\" }}\n\
         [table.into.columns]\nid = \"id\"\nv = {{ from = \"v\"{}{} }}\n\
         [cutover]\nflag = \"f.read\"\n",
        stated.0.map(|stated| format!("v = \"{stated}\"")).unwrap_or_default(),
        more("type", stated.1),
        more("loses", stated.2),
    );
    let plan = Plan::parse(&format!("{head}{table}"), Path::new("/")).unwrap();
    plan.tables[0].clone()
}

/// One pair of databases.
struct Pair {
    source: Side,
    target: Side,
}

impl Pair {
    async fn new(source: Kind, target: Kind) -> Self {
        Self { source: Side::open(source).await, target: Side::open(target).await }
    }

    async fn layout(&self, number: usize, stated: Stated) -> Result<Layout, Error> {
        let source = self.source.store.describe(&format!("f_{number}")).await?;
        let target = self.target.store.describe(&format!("t_{number}")).await?;
        Layout::resolve(&plan(number, stated), &source, &[target], 1)
    }

    /// What is not as it should be.
    async fn run(&self, number: usize, case: &Case) -> Vec<String> {
        let what = format!("{} -> {} {:?}", case.from, case.to, case.stated);
        self.source.create(&format!("f_{number}"), case.from);
        self.target.create(&format!("t_{number}"), case.to);
        let literals: Vec<&str> = case.values.iter().map(|(literal, _)| *literal).collect();
        self.source.insert(&format!("f_{number}"), &literals);
        let layout = match self.layout(number, case.stated).await {
            Ok(layout) => layout,
            Err(error) => return vec![format!("{what}: {}", Chain(&error))],
        };
        let (mut expected, mut wrong) = (Vec::new(), Vec::new());
        for (id, (literal, then)) in case.values.iter().enumerate() {
            let what = format!("{what}: {literal}");
            match (self.carry(&layout, id).await, then) {
                (Ok(()), Then::Is(text)) => expected.push((id, (*text).to_owned())),
                (Ok(()), Then::No(_)) => wrong.push(format!("{what}: it passed")),
                (Err(error), Then::No(words))
                    if error.kind() == ErrorKind::Unreadable
                        && Chain(&error).to_string().contains(words) => {}
                (Err(error), _) => wrong.push(format!("{what}: {}", Chain(&error))),
            }
        }
        let found = self.target.print(&format!("t_{number}"), case.to);
        if found != expected {
            wrong.push(format!("{what}: {found:?} and not {expected:?}"));
        }
        wrong
    }

    /// Carries one record over, and back.
    async fn carry(&self, layout: &Layout, id: usize) -> Result<(), Error> {
        let key = Key::new([Value::Int(id.try_into().unwrap())]).unwrap();
        let rows = self.source.store.read(layout.source(), std::slice::from_ref(&key)).await?;
        let table = &layout.targets()[0];
        let records = table.project(&rows)?;
        let mut transaction = self.target.store.begin(Access::SetUp).await?;
        transaction.upsert(table.schema(), &records.rows().collect::<Vec<_>>()).await?;
        transaction.commit().await?;
        let found = self.target.store.read(table.schema(), &[key]).await?;
        let bytes =
            |batch: &Batch| batch.rows().map(|row| row.bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(bytes(&found), bytes(&records), "{id} of {}", table.schema().table);
        if table.is_complete() {
            let back = table.invert(&found)?;
            assert_eq!(bytes(&back), bytes(&rows), "{id} of {}", table.schema().table);
        }
        Ok(())
    }
}

async fn exact_or_refused(source: Kind, target: Kind, cases: &[Case], unfit: &[Unfit]) {
    let pair = Pair::new(source, target).await;
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        wrong.extend(pair.run(number, case).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (number, (from, to, words)) in unfit.iter().enumerate() {
        let number = cases.len() + number;
        pair.source.create(&format!("f_{number}"), from);
        pair.target.create(&format!("t_{number}"), to);
        let error =
            pair.layout(number, (None, None, None)).await.expect_err(&format!("{from} -> {to}"));
        assert_eq!(error.kind(), ErrorKind::Refused, "{from} -> {to}: {error:?}");
        assert!(error.to_string().contains(words), "{from} -> {to}: {error:?}");
        assert!(error.next_step().is_some(), "{from} -> {to}: {error:?}");
    }
}

#[tokio::test]
async fn from_mysql_to_mysql() {
    let (cases, unfit) = (mysql_to_mysql::CASES, mysql_to_mysql::UNFIT);
    exact_or_refused(Kind::Mysql, Kind::Mysql, cases, unfit).await;
}

#[tokio::test]
async fn from_mysql_to_postgres() {
    let (cases, unfit) = (mysql_to_postgres::CASES, mysql_to_postgres::UNFIT);
    exact_or_refused(Kind::Mysql, Kind::Postgres, cases, unfit).await;
}

#[tokio::test]
async fn from_postgres_to_mysql() {
    let (cases, unfit) = (postgres_to_mysql::CASES, postgres_to_mysql::UNFIT);
    exact_or_refused(Kind::Postgres, Kind::Mysql, cases, unfit).await;
}

#[tokio::test]
async fn from_postgres_to_postgres() {
    let (cases, unfit) = (postgres_to_postgres::CASES, postgres_to_postgres::UNFIT);
    exact_or_refused(Kind::Postgres, Kind::Postgres, cases, unfit).await;
}

/// Values of fifteen MiB: beyond sixteen a server takes no statement by default.
#[tokio::test]
async fn large_values_pass_between_all_engines() {
    for source in [Kind::Mysql, Kind::Postgres] {
        for target in [Kind::Mysql, Kind::Postgres] {
            let pair = Pair::new(source, target).await;
            pair.source.create("f_0", source.bytes());
            pair.target.create("t_0", target.bytes());
            pair.source.insert("f_0", &[source.large()]);
            let layout = Arc::new(pair.layout(0, (None, None, None)).await.unwrap());
            pair.carry(&layout, 0).await.unwrap();
            let md5 = "SELECT md5(v) FROM t_0";
            let expected = pair.source.database.run(&md5.replace("t_0", "f_0"));
            assert_eq!(pair.target.database.run(md5), expected, "{source:?} -> {target:?}");
        }
    }
}
