//! Kafka's own measure of reading: what no consumer can beat by much.

use super::live::{Place, TOPIC};
use crate::child::{Cost, Failure};
use crate::side::Side;
use std::time::Instant;

pub(super) struct ConsumerPerformance<'a> {
    pub(super) place: &'a Place<'a>,
}

impl ConsumerPerformance<'_> {
    pub(super) const NAME: &'static str = "ConsumerPerformance";
}

impl Side for ConsumerPerformance<'_> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn prepare(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// The seconds that it fetched, without its start: the fourth figure from the end.
    fn run(&self) -> Result<Cost, Failure> {
        let count = self.place.sent.messages.to_string();
        let begun = Instant::now();
        let class = "org.apache.kafka.tools.ConsumerPerformance";
        let args = ["--topic", TOPIC, "--messages", &count, "--timeout", "60000"];
        let said = self.place.kafka.run(class, &args, "")?;
        let figures = said.lines().last().unwrap_or("").split(", ");
        let millis: Vec<f64> = figures.filter_map(|figure| figure.parse().ok()).collect();
        let fetched = millis.len().checked_sub(3).and_then(|place| millis.get(place));
        let seconds = fetched.map_or(begun.elapsed().as_secs_f64(), |millis| millis / 1_000.0);
        Ok(Cost { seconds, peak_bytes: 0, cpu_seconds: 0.0 })
    }

    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}
