//! What customers and the shop's own people do: requests, and what their answers say of how new they are.

use hyper::Method;
use serde_json::{Value, json};

use crate::ledger::Fact;

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    Product {
        category: u32,
        product: u32,
    },
    Page {
        category: u32,
        number: u32,
    },
    Bestsellers {
        category: u32,
    },
    Cart {
        user: u32,
    },
    Orders {
        user: u32,
    },
    ChangePrice {
        category: u32,
        product: u32,
        cents: u32,
    },
    ChangeCart {
        user: u32,
        category: u32,
        product: u32,
    },
    Checkout {
        user: u32,
    },
}

impl Visit {
    pub(crate) fn is_write(self) -> bool {
        matches!(
            self,
            Self::ChangePrice { .. } | Self::ChangeCart { .. } | Self::Checkout { .. }
        )
    }

    pub(crate) fn method(self) -> Method {
        match self {
            Self::ChangePrice { .. } => Method::PUT,
            Self::ChangeCart { .. } | Self::Checkout { .. } => Method::POST,
            _ => Method::GET,
        }
    }

    pub(crate) fn path(self) -> String {
        match self {
            Self::Product { category, product } => {
                format!("/catalogue/{category}/products/{product}")
            }
            Self::Page { category, number } => format!("/catalogue/{category}/pages/{number}"),
            Self::Bestsellers { category } => format!("/catalogue/{category}/bestsellers"),
            Self::Cart { user } | Self::ChangeCart { user, .. } => format!("/users/{user}/cart"),
            Self::Orders { user } | Self::Checkout { user } => format!("/users/{user}/orders"),
            Self::ChangePrice {
                category, product, ..
            } => format!("/catalogue/{category}/products/{product}/price"),
        }
    }

    pub(crate) fn body(self) -> Option<Value> {
        match self {
            Self::ChangePrice { cents, .. } => Some(json!({ "cents": cents })),
            Self::ChangeCart {
                category, product, ..
            } => Some(json!({
                "id": { "category": category, "product": product },
                "quantity": 1 + product % 3,
            })),
            _ => None,
        }
    }

    /// The versions of what the answer shows, or of what it says is written. None where the answer is not of the form that
    /// the shop gives.
    pub(crate) fn versions(self, answer: &Value) -> Option<Vec<(Fact, u64)>> {
        let version = |name: &str| answer.get(name)?.as_u64();
        match self {
            Self::Product { .. } => Some(vec![shown(answer)?]),
            Self::Page { .. } => answer.as_array()?.iter().map(shown).collect(),
            Self::Bestsellers { .. } => answer.as_array().map(|_| Vec::new()),
            Self::Cart { user } => {
                let lines = answer.get("lines")?.as_array()?.iter().map(shown);
                let cart = Some((Fact::Cart { user }, version("version")?));
                lines.chain([cart]).collect()
            }
            Self::Orders { user } => Some(vec![(Fact::Orders { user }, version("version")?)]),
            Self::ChangePrice {
                category, product, ..
            } => Some(vec![(
                Fact::Price { category, product },
                version("version")?,
            )]),
            Self::ChangeCart { user, .. } => Some(vec![(Fact::Cart { user }, version("version")?)]),
            Self::Checkout { user } => Some(vec![
                (Fact::Cart { user }, version("cart_version")?),
                (Fact::Orders { user }, version("orders_version")?),
            ]),
        }
    }
}

/// The price of what is shown: a product, or a line of a cart.
fn shown(product: &Value) -> Option<(Fact, u64)> {
    let number = |name: &str| u32::try_from(product.get("id")?.get(name)?.as_u64()?).ok();
    let (category, product_number) = (number("category")?, number("product")?);
    let version = product.get("price")?.get("version")?.as_u64()?;
    let fact = Fact::Price {
        category,
        product: product_number,
    };
    Some((fact, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cart_shows_its_own_version_and_those_of_its_prices() {
        let answer = json!({
            "version": 3, "cents": 500,
            "lines": [{
                "id": { "category": 1, "product": 2 },
                "quantity": 5,
                "price": { "cents": 100, "version": 7 },
            }],
        });
        let price = Fact::Price {
            category: 1,
            product: 2,
        };
        assert_eq!(
            Visit::Cart { user: 9 }.versions(&answer),
            Some(vec![(price, 7), (Fact::Cart { user: 9 }, 3)])
        );
    }

    #[test]
    fn an_answer_without_versions_is_none() {
        let product = Visit::Product {
            category: 1,
            product: 2,
        };
        assert_eq!(product.versions(&json!({ "id": 2 })), None);
        assert_eq!(Visit::Cart { user: 9 }.versions(&json!([])), None);
    }
}
