use cache_core::{Event, Refused, invalidates};

#[derive(Event)]
#[event(used_elsewhere)]
struct UserChanged {
    id: u64,
}

struct Failed;

impl From<Refused> for Failed {
    fn from(_: Refused) -> Self {
        Self
    }
}

#[invalidates(result, guarded)]
async fn create(id: u64) -> Result<UserChanged, Failed> {
    Ok(UserChanged { id })
}

fn main() {}
