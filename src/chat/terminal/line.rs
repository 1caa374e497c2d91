//! What a line of the user means: something said, or a command.

/// A line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Nothing to do.
    Empty,
    Say(&'a str),
    Join(&'a str),
    Leave(&'a str),
    Rooms,
    Help,
    /// What it should have been.
    Wrong(String),
}

/// What can be typed.
pub(super) const HELP: [&str; 5] = [
    "/join ROOM   hear a room from now on, and say there what you type",
    "/leave ROOM  hear it no more",
    "/rooms       show the rooms you hear, and where you say what you type",
    "/help        show this",
    "//WORDS      say a line that begins with one /",
];

/// Reads a line, without its end. A line that begins with `/` is a command, unless it begins with two: of these, one is said.
pub(super) fn read(line: &str) -> Line<'_> {
    let Some(command) = line.strip_prefix('/') else {
        return if line.is_empty() { Line::Empty } else { Line::Say(line) };
    };
    if command.starts_with('/') {
        return Line::Say(command);
    }
    let (name, room) = command.split_once(' ').unwrap_or((command, ""));
    match (name, room.trim()) {
        ("join" | "leave", "") => Line::Wrong(format!("/{name} what? /{name} ROOM")),
        ("join", room) => Line::Join(room),
        ("leave", room) => Line::Leave(room),
        ("rooms", "") => Line::Rooms,
        ("help", "") => Line::Help,
        ("rooms" | "help", _) => Line::Wrong(format!("/{name} stands alone")),
        _ => Line::Wrong(format!("there is no /{name}: /help shows what there is; to say it, type //{name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_unless_it_begins_with_one_slash() {
        assert_eq!(read("hi /join"), Line::Say("hi /join"));
        assert_eq!(read(" /join"), Line::Say(" /join"));
        assert_eq!(read("//join a"), Line::Say("/join a"));
        assert_eq!(read("///"), Line::Say("//"));
        assert_eq!(read(""), Line::Empty);
    }

    #[test]
    fn commands_name_a_room_which_may_have_spaces() {
        assert_eq!(read("/join two words "), Line::Join("two words"));
        assert_eq!(read("/leave lobby"), Line::Leave("lobby"));
        assert_eq!(read("/rooms"), Line::Rooms);
        assert_eq!(read("/help"), Line::Help);
        for wrong in ["/", "/join", "/leave  ", "/joinlobby", "/rooms now", "/nick ada"] {
            assert!(matches!(read(wrong), Line::Wrong(_)), "{wrong}");
        }
    }
}
