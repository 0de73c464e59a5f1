#[cache_core::cached(ttl = 5m)]
async fn squareOf(firstNumber: u64) -> u64 {
    let theSquare = firstNumber * firstNumber;
    theSquare
}

fn main() {}
