//! Which events kill an entry: what `invalidate_on` takes.

use syn::{Expr, ExprClosure};

use super::Wrong;
use crate::{
    literal::{Events, Literal},
    mistakes::Mistakes,
    parse::ungrouped,
};

/// The events that kill an entry.
pub(crate) struct Listened {
    /// Those that the arguments name.
    pub(crate) literals: Vec<Literal>,
    /// Those that the value names.
    pub(crate) by_value: Option<ByValue>,
}

/// `|article| ArticleChanged { id: article.id }`
pub(crate) struct ByValue {
    pub(crate) closure: ExprClosure,
    pub(crate) events: Vec<Events>,
}

pub(super) fn invalidate_on(value: Expr) -> Result<Listened, Wrong> {
    let mut listened = Listened {
        literals: Vec::new(),
        by_value: None,
    };
    let elements = match value {
        Expr::Array(array) if array.elems.is_empty() => {
            return Err(Wrong::at(
                array,
                "no event is named: write `invalidate_on = UserChanged { id }`, or remove the option",
            ));
        }
        Expr::Array(array) => array.elems.into_iter().collect(),
        value => vec![value],
    };
    let mut mistakes = Mistakes::default();
    for element in elements {
        match listened.add(ungrouped(element)) {
            Ok(()) => {}
            Err(Wrong::Because(mistake)) => mistakes.add(mistake),
            Err(Wrong::Form) => return Err(Wrong::Form),
        }
    }
    mistakes
        .into_error()
        .map_or(Ok(listened), |mistakes| Err(Wrong::Because(mistakes)))
}

impl Listened {
    fn add(&mut self, element: Expr) -> Result<(), Wrong> {
        if let Expr::Closure(closure) = element {
            return self.add_closure(closure);
        }
        match Literal::read(&element).map_err(Wrong::Because)? {
            Some(literal) => self.literals.push(literal),
            None => {
                return Err(Wrong::at(
                    element,
                    "expected an event, as in `invalidate_on = UserChanged { id }`",
                ));
            }
        }
        Ok(())
    }

    fn add_closure(&mut self, closure: ExprClosure) -> Result<(), Wrong> {
        if self.by_value.is_some() {
            return Err(Wrong::at(
                closure,
                "one closure names all events of a value: write `|user| [UserChanged { id: user.id }, ..]`",
            ));
        }
        if closure.inputs.len() != 1 {
            return Err(Wrong::at(
                closure,
                "the closure takes the value, as in `invalidate_on = |user| UserChanged { id: user.id }`",
            ));
        }
        let events = Events::read((*closure.body).clone()).map_err(Wrong::Because)?;
        self.by_value = Some(ByValue { closure, events });
        Ok(())
    }
}
