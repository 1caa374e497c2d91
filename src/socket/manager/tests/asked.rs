//! What goes along with CONNECT where the application is asked each time.

use super::*;

fn asking() -> Manager {
    let mut manager = manager();
    command(&mut manager, ManagerCommand::AskAuth(true), at(0));
    command(&mut manager, connect(), at(0));
    manager
}

fn answer(manager: &mut Manager, token: u32) -> Vec<ManagerOutput> {
    command(manager, ManagerCommand::Auth(Some(json!({ "token": token }))), at(1))
}

const ASKED: ManagerOutput = ManagerOutput::AskAuth(Namespace::MAIN);

#[test]
fn the_application_is_asked_at_each_connect() {
    let mut manager = asking();
    assert_eq!(give(&mut manager, ManagerInput::Opened, at(0)), [ASKED]);
    assert_eq!(wait(&mut manager), (None, ManagerWaiting::Namespace));
    assert_eq!(wire(&answer(&mut manager, 1)), [r#"0{"token":1}"#]);
    receive(&mut manager, welcome(), at(1));
    close(&mut manager, at(1));
    give(&mut manager, ManagerInput::TimedOut, at(2));

    let opened = give(&mut manager, ManagerInput::Opened, at(2));

    assert_eq!(opened.last(), Some(&ASKED));
    assert_eq!(wire(&answer(&mut manager, 2)), [r#"0{"token":2}"#]);
}

#[test]
fn an_answer_counts_once_and_only_where_it_is_waited_for() {
    let mut manager = asking();
    assert_eq!(answer(&mut manager, 1), [], "not asked yet");
    give(&mut manager, ManagerInput::Opened, at(0));
    answer(&mut manager, 2);
    assert_eq!(answer(&mut manager, 3), [], "asked for the namespace already");

    close(&mut manager, at(1));

    assert_eq!(answer(&mut manager, 4), [], "the session is lost");
}

#[test]
fn who_leaves_while_asked_asks_for_nothing() {
    let mut manager = asking();
    command(&mut manager, ManagerCommand::Disconnect, at(0));
    close(&mut manager, at(0));
    command(&mut manager, connect(), at(0));
    give(&mut manager, ManagerInput::Opened, at(0));
    let other = Namespace::new("other");
    give(&mut manager, ManagerInput::Command(other.clone(), connect()), at(0));

    assert_eq!(
        command(&mut manager, ManagerCommand::Disconnect, at(0)),
        [],
        "the other one wants the session"
    );

    assert_eq!(answer(&mut manager, 1), []);
    assert!(!manager.is_active(&Namespace::MAIN) && manager.is_active(&other));
    assert_eq!(command(&mut manager, connect(), at(0)), [ASKED], "and asks again");
}

#[test]
fn a_value_takes_the_place_of_the_question() {
    let mut manager = asking();
    command(&mut manager, ManagerCommand::AskAuth(false), at(0));

    assert_eq!(wire(&give(&mut manager, ManagerInput::Opened, at(0))), ["0"]);
}
