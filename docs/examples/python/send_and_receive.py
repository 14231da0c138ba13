"""Sends every line of a file and receives each exactly as it was sent, with the official RocketMQ client and nothing else.

    npx saturnmq topic create lines
    pip install -r requirements.txt
    python3 send_and_receive.py --topic lines README.md

Then it leaves a few messages unacknowledged, and shows that those, and only those, come again with a higher attempt.
"""

import argparse
import sys
import time

from rocketmq import ClientConfiguration, Credentials, FilterExpression, Message, Producer, SimpleConsumer

PARALLEL = 100
WITHHELD = 5
INVISIBLE_SECONDS = 10


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoint", default="127.0.0.1:8081")
    parser.add_argument("--topic", default="lines")
    parser.add_argument("--group", default=f"lines-{int(time.time())}")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("file", nargs="?", default="README.md")
    return parser.parse_args()


def build_message(topic, run, number, line):
    message = Message()
    message.topic = topic
    message.body = line.encode()
    message.tag = f"tag-{number % 7}"
    message.keys = f"line-{number}"
    message.add_property("run", run)
    message.add_property("number", str(number))
    return message


def send_all(producer, topic, run, lines):
    for start in range(0, len(lines), PARALLEL):
        part = enumerate(lines[start:start + PARALLEL], start)
        for receipt in [producer.send_async(build_message(topic, run, number, line)) for number, line in part]:
            receipt.result(timeout=30)


def check(message, topic, lines):
    number = int(message.properties["number"])
    assert message.body == lines[number].encode(), f"body of line {number}"
    assert not message.corrupted, f"the digest of line {number} does not fit its body"
    assert message.topic == topic
    assert message.tag == f"tag-{number % 7}"
    assert message.keys == {f"line-{number}"}
    return number


def receive_all(consumer, topic, run, lines):
    """Every line once; the last few to arrive are not acknowledged, and are returned."""
    received, withheld = set(), set()
    while len(received) < len(lines):
        batch = consumer.receive(32, INVISIBLE_SECONDS)
        assert batch, f"only {len(received)} of {len(lines)} lines came"
        for message in batch:
            if message.properties.get("run") == run:
                number = check(message, topic, lines)
                assert number not in received, f"line {number} came twice"
                assert message.delivery_attempt == 1
                received.add(number)
                if len(lines) - len(received) < WITHHELD:
                    withheld.add(number)
                    continue
            consumer.ack(message)
    return withheld


def receive_again(consumer, run, withheld):
    again = set()
    until = time.monotonic() + 3 * INVISIBLE_SECONDS
    while again != withheld and time.monotonic() < until:
        for message in consumer.receive(32, 60):
            if message.properties.get("run") != run:
                continue
            number = int(message.properties["number"])
            assert number in withheld, f"line {number} was acknowledged and came again"
            assert message.delivery_attempt > 1, f"attempt {message.delivery_attempt} of a message that came again"
            again.add(number)
            consumer.ack(message)
    assert again == withheld, f"{withheld - again} did not come again"


def main():
    arguments = parse_arguments()
    with open(arguments.file, encoding="utf-8") as file:
        lines = [line for line in file.read().split("\n") if line]  # An empty body is not a message in RocketMQ.
    run = f"{time.time():.6f}"  # Marks the messages of this run: the topic may hold others.
    configuration = ClientConfiguration(arguments.endpoint, Credentials())
    producer = Producer(configuration, (arguments.topic,), tls_enable=arguments.tls)
    producer.startup()
    subscription = {arguments.topic: FilterExpression()}
    consumer = SimpleConsumer(configuration, arguments.group, subscription, 2, tls_enable=arguments.tls)
    consumer.startup()

    started = time.monotonic()
    send_all(producer, arguments.topic, run, lines)
    print(f"sent {len(lines)} in {time.monotonic() - started:.1f} s")
    started = time.monotonic()
    withheld = receive_all(consumer, arguments.topic, run, lines)
    print(f"received {len(lines)} in {time.monotonic() - started:.1f} s, each as it was sent; left {len(withheld)} unacknowledged")
    receive_again(consumer, run, withheld)
    assert not consumer.receive(32, INVISIBLE_SECONDS), "nothing acknowledged comes again"
    print(f"the {len(withheld)} unacknowledged came again with a higher attempt, no other did")
    consumer.shutdown()
    producer.shutdown()


if __name__ == "__main__":
    main()
    sys.exit(0)
