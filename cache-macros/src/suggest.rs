//! "Did you mean": the known word nearest to one that is not known.

/// The nearest of the known words, if one is near enough to be what was meant, else the first that starts so.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let known: Vec<_> = known.into_iter().collect();
    let tolerance = word.chars().count().div_ceil(3);
    let distances = known
        .iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), *candidate));
    let near = distances
        .filter(|&(distance, _)| distance <= tolerance)
        .min_by_key(|&(distance, _)| distance);
    let starts_so = |known: &&str| !word.is_empty() && known.starts_with(&word);
    near.map(|(_, candidate)| candidate)
        .or_else(|| known.iter().copied().find(starts_so))
}

/// Which of the known words is meant where one is near, else which there are.
pub(crate) fn instead<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(word, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    match known.clone().into_iter().count() {
        0 => "there are none".to_owned(),
        1 => format!("there is only {}", list(known)),
        _ => format!("there are {}", list(known)),
    }
}

/// The words in backticks, with commas between them.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// How many characters to insert, delete, replace or swap with their neighbour (optimal string
/// alignment).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut before_a = None;
    for (i, a) in from.chars().enumerate() {
        let mut left = i + 1;
        let mut row = vec![left];
        let mut before_b = None;
        for (j, (&b, above)) in to.iter().zip(last.windows(2)).enumerate() {
            let &[diagonal, above] = above else { continue };
            let replaced = diagonal + usize::from(a != b);
            left = replaced.min(above + 1).min(left + 1);
            let is_swap = before_a == Some(b) && before_b == Some(a);
            let swapped = j.checked_sub(1).and_then(|j| before_last.get(j));
            left = swapped
                .filter(|_| is_swap)
                .map_or(left, |swapped| left.min(swapped + 1));
            row.push(left);
            before_b = Some(b);
        }
        before_last = std::mem::replace(&mut last, row);
        before_a = Some(a);
    }
    last.last().copied().unwrap_or_default()
}
