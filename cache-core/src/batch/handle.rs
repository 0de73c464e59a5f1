//! The handle of a call of many keys: what it asks, it asks of each key.

use std::any::TypeId;

use super::{Each, KeyOf, Map, Output};
use crate::{
    context::{Ask, Question, Reply},
    explain::Trace,
};

/// What a handle asks of a call.
pub(super) struct Handled<O: Output> {
    asked: BatchHandle,
    /// What is put: the values that are left, or the error of all.
    put: Option<Result<O::Map, O::Error>>,
}

/// What is left of it once all keys were asked.
pub(super) struct BatchHandle {
    question: Question,
    /// The answers of the keys, where they are to be explained.
    explained: Vec<Reply>,
}

impl<O> Handled<O>
where
    O: Output + 'static,
    O::Error: Clone + Send,
    Each<O>: Send,
{
    pub(super) fn of(question: Option<Question>) -> Option<Self> {
        let mut question = question?;
        let put = match &mut question.ask {
            Ask::Put(output) => output
                .take()
                .and_then(|output| output.downcast::<Option<O>>().ok())
                .and_then(|output| Some((*output)?.split())),
            _ => None,
        };
        Some(Self {
            asked: BatchHandle {
                question,
                explained: Vec::new(),
            },
            put,
        })
    }

    /// Whether it can be asked of so many keys. An explanation is that of one entry.
    pub(super) fn takes(&self, keys: usize) -> bool {
        let takes = !matches!(self.asked.question.ask, Ask::Explain) || keys == 1;
        self.asked
            .question
            .reply
            .with(|reply| reply.is_taken = takes);
        takes
    }

    /// What is asked of one key, and where its answer is noted.
    pub(super) fn ask(&mut self, key: &KeyOf<O>) -> (Question, Reply) {
        let ask = match &self.asked.question.ask {
            Ask::Peek => Ask::Peek,
            Ask::Refresh => Ask::Refresh,
            Ask::Evict => Ask::Evict,
            Ask::Put(_) => Ask::Put(self.put_of(key)),
            Ask::Bypass => Ask::Bypass,
            Ask::Prefetch(by) => Ask::Prefetch(*by),
            Ask::Explain => Ask::Explain,
            Ask::Warm => Ask::Warm,
        };
        let reply = Reply::default();
        if matches!(ask, Ask::Explain | Ask::Warm) {
            self.asked.explained.push(reply.clone());
        }
        let question = Question {
            output: TypeId::of::<Each<O>>(),
            ask,
            reply: reply.clone(),
            record: None,
            act: self.asked.question.act,
        };
        (question, reply)
    }

    /// What is left out is put as not being there, as a load would have it.
    fn put_of(&mut self, key: &KeyOf<O>) -> Option<Box<dyn std::any::Any + Send>> {
        let each: Each<O> = match self.put.as_mut()? {
            Ok(map) => Ok(map.take(key)),
            Err(error) => Err(error.clone()),
        };
        Some(Box::new(Some(each)))
    }

    /// Lets go of what was put.
    pub(super) fn into_asked(self) -> BatchHandle {
        self.asked
    }
}

impl BatchHandle {
    /// Answers the handle. Gives whether that is all, as it has no output.
    pub(super) fn ends_without(self) -> bool {
        let is_done = matches!(
            self.question.ask,
            Ask::Evict | Ask::Put(_) | Ask::Prefetch(_)
        );
        let traces = self.explained.iter();
        let traces = traces.filter_map(|reply| reply.with(|reply| reply.trace.take()));
        // Of many keys the one that took most: who warms them wants to know no more.
        let trace = traces.reduce(|one, other| {
            let has_failed = one.has_failed || other.has_failed;
            let is_farther = other.source as u8 > one.source as u8;
            let farthest = if is_farther { other } else { one };
            Trace {
                has_failed,
                ..farthest
            }
        });
        self.question.reply.with(|reply| {
            reply.is_done = is_done;
            reply.trace = trace;
        });
        is_done
    }
}
