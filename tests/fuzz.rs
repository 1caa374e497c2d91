//! Bytes from a hostile peer, made up by bolero: no decoder panics, and the server's machines keep their promises.
//!
//! `cargo test` tries a bounded number of inputs, others each time; what fails is made small, and repeated by the
//! `BOLERO_RANDOM_SEED` that it prints. `cargo bolero test --test fuzz <name>` hunts for as long as you like.

#[path = "fuzz/server.rs"]
mod server;
#[path = "fuzz/words.rs"]
mod words;

use bolero::check;
use bytes::Bytes;
use squall::engine::{Frame, Handshake, Message, Packet};
use squall::io::ConnectUrl;
use squall::socket::{Decoder, Kind, encode};

use server::Server;
use words::Words;

/// How many inputs a target takes, and how long they may be, in bytes.
const INPUTS: usize = 20_000;
const BYTES_MAX: usize = 256;

/// What a frame decodes to is encoded as it came, but for what has more than one form.
#[test]
fn a_frame_decodes_to_what_it_says() {
    check!().with_iterations(INPUTS).with_max_len(BYTES_MAX).for_each(|bytes: &[u8]| {
        let mut words = Words::new(bytes);
        let frame =
            if words.coin() { Frame::Binary(words.bytes()) } else { Frame::Text(words.text().into()) };
        if let Ok(packet) = Packet::decode(frame.clone())
            && !matches!(packet, Packet::Open(_))
        {
            let again = Packet::decode(packet.encode());
            assert_eq!(again, Ok(packet), "of {frame:?}");
        }
    });
}

#[test]
fn a_handshake_decodes_to_what_it_says() {
    check!().with_iterations(INPUTS).with_max_len(BYTES_MAX).for_each(|bytes: &[u8]| {
        let text = Words::new(bytes).text();
        if let Ok(handshake) = Handshake::from_json(&text) {
            assert_eq!(Handshake::from_json(&handshake.to_json()), Ok(handshake));
        }
    });
}

/// A packet is what its encoding decodes to, whatever messages it came from.
#[test]
fn messages_decode_to_packets_that_encode_again() {
    check!().with_iterations(INPUTS).with_max_len(BYTES_MAX).for_each(|bytes: &[u8]| {
        let (mut words, mut decoder) = (Words::new(bytes), Decoder::default());
        while !words.is_over() {
            let message =
                if words.coin() { Message::Binary(words.bytes()) } else { Message::text(&words.text()) };
            match decoder.receive(message) {
                Ok(Some(packet)) => {
                    let mut again = Decoder::default();
                    let decoded =
                        encode(&packet).iter().cloned().map(|message| again.receive(message)).last();
                    assert_eq!(decoded, Some(Ok(Some(packet))));
                }
                Ok(None) => {}
                // The driver closes the connection, and asks no more.
                Err(_) => return,
            }
        }
    });
}

/// The application reads arguments of types that the peer did not send.
#[test]
fn arguments_of_any_type_are_read_or_refused() {
    check!().with_iterations(INPUTS).with_max_len(BYTES_MAX).for_each(|bytes: &[u8]| {
        let mut words = Words::new(bytes);
        let (text, attachment) = (words.text(), words.bytes());
        let mut decoder = Decoder::default();
        let placeholder = r#"{"_placeholder":true,"num":0}"#;
        drop(decoder.receive(Message::text(&format!("51-[\"a\",{placeholder},{text}]"))));
        let Ok(Some(packet)) = decoder.receive(Message::Binary(attachment.clone())) else { return };
        let Kind::Event { args, .. } = packet.kind else { panic!("it was an event") };
        assert_eq!(args.get::<Bytes>(0).ok(), Some(attachment));
        drop((
            args.get::<u8>(1),
            args.get::<Vec<String>>(2),
            args.get::<Bytes>(1),
            args.get::<char>(usize::MAX),
        ));
    });
}

#[test]
fn a_url_is_read_or_refused() {
    check!().with_iterations(INPUTS).with_max_len(BYTES_MAX).for_each(|bytes: &[u8]| {
        let mut words = Words::new(bytes);
        let text = words.text();
        for text in [text.clone(), format!("http://{text}"), format!("ws://a:{text}")] {
            drop(text.parse::<ConnectUrl>());
        }
    });
}

/// Everything that a peer can do, on several connections at once, while the application goes about its business.
#[test]
fn the_server_machine_keeps_its_promises_whatever_arrives() {
    check!().with_iterations(INPUTS).with_max_len(4 * BYTES_MAX).for_each(|bytes: &[u8]| {
        let mut words = Words::new(bytes);
        let mut server = Server::new();
        while !words.is_over() {
            server.step(&mut words);
        }
        server.end();
    });
}
