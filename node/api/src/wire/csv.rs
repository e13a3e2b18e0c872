//! Cells of a table, RFC 4180.

/// A cell that a spreadsheet takes as a text and not as a formula.
pub(crate) fn csv_cell(cell: &str) -> String {
    let guarded = if cell.starts_with(['=', '+', '-', '@']) { format!("'{cell}") } else { cell.to_owned() };
    if guarded.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_safe_to_open() {
        assert_eq!(csv_cell("=1+1, \"x\""), "\"'=1+1, \"\"x\"\"\"");
        assert_eq!(csv_cell("plain"), "plain");
    }
}
