//! stand-in
use std::borrow::Cow;
use smallvec::SmallVec;
pub(crate) struct Header { pub lineage: u64, pub created: u64, pub soft: u64, pub hard: u64, pub load_time: u32, pub key_check: u64, pub stamps: SmallVec<[u64; 4]> }
pub(crate) struct Draft;
impl Draft { pub(crate) fn payload(&mut self) -> &mut Vec<u8> { todo!() } pub(crate) fn finish(self, _: Option<usize>, _: usize) -> Result<Vec<u8>, TooLarge> { todo!() } }
pub(crate) struct TooLarge;
pub(crate) fn start(_: &Header, _: Option<&str>) -> Draft { todo!() }
pub(crate) fn open(_: &[u8], _: usize) -> Result<Opened<'_>, Damage> { todo!() }
pub(crate) struct Opened<'a> { pub(crate) header: Header, pub(crate) full_key: Option<&'a str>, pub(crate) payload: Cow<'a, [u8]> }
pub(crate) enum Damage { NotOurs, OtherFormat, Damaged, TooLarge, CannotDecompress }
pub(crate) const FORMAT: u8 = 1;
