// What is behind moebert::Model.
#pragma once

#include "engine/engine.h"
#include "moebert/moebert.h"
#include "tasks/squad_answers.h"
#include "tasks/text_input.h"

namespace moebert {

struct Model::State {
    TextInput input;
    Labels meaning;
    engine::Engine engine;
    WindowOptions windows;
    AnswerOptions answers;
};

}  // namespace moebert
