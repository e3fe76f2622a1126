//! From a batch of messages to the changes of source tables.

mod keys;
mod run;
mod subject;

use super::course::Course;
use super::format::TopicFormat;
use super::outcome::{Change, Changes};
use super::topic::{SourceTable, Topic};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::Layout;
use crate::queue::Message;
use run::Run;
use std::collections::HashMap;
use std::sync::Arc;

/// Decodes messages of the tables of one plan.
#[derive(Debug)]
pub struct Decoder {
    layouts: Vec<Arc<Layout>>,
    topics: HashMap<String, Topic>,
    source_epoch: u32,
}

impl Decoder {
    /// A decoder of an outbox's rows, each of which names one of these tables.
    #[must_use]
    pub fn new(layouts: Vec<Arc<Layout>>) -> Self {
        let topic = |(place, layout): (usize, &Arc<Layout>)| {
            (layout.source().table.clone(), Topic::outbox(place, layout))
        };
        let topics = layouts.iter().enumerate().map(topic).collect();
        Self { layouts, topics, source_epoch: 0 }
    }

    /// A decoder of the messages of these topics. `source_epoch` leads every version that a message
    /// gives; the queue has it in its own.
    ///
    /// # Errors
    /// `Plan` if a topic is there twice, is of a table that is not moved, or takes the commit order
    /// from messages that do not tell it.
    pub fn with_topics(
        tables: &[SourceTable],
        topics: Vec<TopicFormat>,
        source_epoch: u32,
    ) -> Result<Self> {
        let layouts = tables.iter().map(|table| Arc::clone(&table.layout)).collect();
        let mut by_name = HashMap::with_capacity(topics.len());
        for topic in topics {
            let name = topic.topic.clone();
            if by_name.insert(name.clone(), Topic::new(topic, tables)?).is_some() {
                return Err(Error::new(ErrorKind::Plan, "read plan: a topic is there twice")
                    .with("topic", name));
            }
        }
        Ok(Self { layouts, topics: by_name, source_epoch })
    }

    /// The tables, in order.
    #[must_use]
    pub fn layouts(&self) -> &[Arc<Layout>] {
        &self.layouts
    }

    /// Decodes a batch of one partition.
    ///
    /// Stops before a message that nobody may pass without an operator: [`Changes::stop`].
    #[must_use]
    pub fn decode(&self, messages: &[Message]) -> Changes {
        Run::new(self, messages, None).batch()
    }

    /// The same for a consumer, which also stops before a message that shows that the source began
    /// anew.
    #[must_use]
    pub fn decode_following(&self, messages: &[Message], course: &mut Course) -> Changes {
        Run::new(self, messages, Some(course)).batch()
    }

    /// Decodes one change of a message: the table, by its place among the layouts, and the change
    /// at `index`. `None` if there is none or it cannot be decoded.
    #[must_use]
    pub fn decode_one(&self, message: &Message, index: u32) -> Option<(usize, Change)> {
        let mut run = Run::new(self, std::slice::from_ref(message), None);
        run.message(0);
        // Not compacted: a later change of the same record may stand in the same message.
        let tables = run.into_changes().tables.into_iter().enumerate();
        let mut found = tables.flat_map(|(place, table)| {
            table.changes.into_iter().map(move |change| (place, change))
        });
        found.find(|(_, change)| change.index == index)
    }
}
